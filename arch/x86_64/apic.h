/*
 * The local APIC, for the rest of arch. What the kernel may use is in <arch/ipi.h>.
 */
#ifndef X86_APIC_H
#define X86_APIC_H

#include <arch/apic_regs.h>

#define LVT_MASKED   (1u << 16)
#define XAPIC_MAX_ID 254 /* 255 is everyone */

/*
 * Chooses the mode for all CPUs and maps the xAPIC registers at phys. highest_id is
 * the largest APIC id in use; ids over 254 need x2APIC. Boot CPU, once.
 */
void apic_init(uint64_t phys, uint32_t highest_id);

/* Brings this CPU's APIC into the chosen mode, everything masked. Interrupts off. */
void apic_cpu_init(void);

/* For these two, in apic_mode.c: the choice of the mode, and this CPU's way into it. */
void apic_choose_mode(uint32_t highest_id);
void apic_enter_mode(void);

/* From here on the APICs' error interrupts are told in words. Boot CPU, once. */
void apic_report_errors(void);

/* Says which APIC id a CPU has, before anything is sent to it. */
void apic_set_id(unsigned int cpu, uint32_t apic_id);

/* Whether shorthands hit exactly the online CPUs. Boot CPU, after all are started. */
void apic_allow_shorthands(bool allowed);

/* Registers by their xAPIC offset, in either mode. On the CPU in question. */
uint32_t apic_read(unsigned int offset);
void apic_write(unsigned int offset, uint32_t value);

/* This CPU's id as its APIC tells. */
uint32_t apic_id(void);

/*
 * The same before apic_cpu_init, in whatever mode the firmware left the APIC: CPUID has
 * the id of reset, and xAPIC the one that firmware gave since, but only 8 bits of it.
 * After apic_init.
 */
uint32_t apic_id_from_firmware(void);

/* Errors since the last call, SDM vol. 3 §11.5.3. On the CPU in question. */
uint32_t apic_read_esr(void);

/* INIT and STARTUP to a CPU; page is the trampoline's number. Interrupts off. */
void apic_send_init(uint32_t apic_id);
void apic_send_startup(uint32_t apic_id, unsigned int page);

#endif

/*
 * The machine as a whole: what it says of itself, and how to leave it.
 */
#ifndef ARCH_MACHINE_H
#define ARCH_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Tells an emulator's isa-debug-exit device; returns if there is none. Any
 * context. Only to be called when the user asked for it: on a real machine
 * something else may listen there.
 */
void arch_debug_exit(uint8_t code);

/* By ACPI, then by what old PCs understand. Return if nothing helped. Any context. */
void arch_power_off(void);
void arch_reset(void);

/* One line each about the machine, for the report: "", if nothing is known. */
const char *arch_apic_mode(void);
const char *arch_firmware(void); /* how it was booted: "multiboot2 (GRUB 2.06)" */

/* Why the APICs are not in the mode that apic= asks for; NULL: they are. Any context. */
const char *arch_apic_mode_refused(void);

/* TSC ticks since the loader's jump. Boot CPU. */
uint64_t arch_ticks_since_entry(void);

/* A CPU's place: APIC id and topology. Any context. */
struct cpu_place {
	uint32_t apic_id, acpi_uid, package, core, thread;
	const char *state; /* "online", "failed", … */
	const char *stage; /* how far it came */
	uint32_t error;    /* the APIC's error register after an attempt to start it */
};
bool arch_cpu_place(unsigned int cpu, struct cpu_place *place);
uint32_t arch_microcode(void);

/* How far apart two online CPUs are: 0 the same, 1 core, 2 package, 3 neither shared. */
unsigned int arch_cpu_distance(unsigned int a, unsigned int b);

#endif

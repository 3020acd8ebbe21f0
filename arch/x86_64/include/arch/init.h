/*
 * The steps of booting that only the architecture knows, in the order in which
 * kernel_main takes them. Boot CPU, once each, unless a function says otherwise.
 */
#ifndef ARCH_INIT_H
#define ARCH_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Serial port, so that everything after it can speak. */
void arch_early_console(void);

/* GDT, TSS, IDT and GS of the boot CPU: from here on, faults are reported. */
void arch_early_traps(void);

/* Hands the memory that may be used to the frame allocator. */
void arch_memory_found(void);

/* Guarded stacks instead of the boot ones: goes on in next(). */
void __attribute__((noreturn)) arch_boot_cpu_stacks(void (*next)(void));

/* Framebuffer and keyboard. */
void arch_late_console(void);

/* ACPI tables, and from the MADT the list of CPUs. */
void arch_find_cpus(void);

/* The boot CPU's local APIC, and the mode for all. */
void arch_apic_init(void);

/*
 * Starts all the other CPUs that the MADT lists, together, and returns when each
 * is online or has been given up. progress is called whenever the numbers change.
 */
void arch_start_cpus(void (*progress)(unsigned int online, unsigned int failed,
				      unsigned int total));

/* The command lines, in the order in which later ones win; NULL past the last. */
const char *arch_command_line(unsigned int index, const char **source);

#endif

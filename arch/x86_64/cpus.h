/*
 * The list of CPUs that the firmware told of, before and while they are started.
 * Boot CPU, save that each AP moves its own state.
 */
#ifndef X86_CPUS_H
#define X86_CPUS_H

#include <lib/cpumask.h>
#include <stdbool.h>
#include <stdint.h>

/*
 *   LISTED ──(INIT, SIPI)──► STARTING ──(AP)──► ONLINE
 *      ▲                        │ │
 *      └───(silent: again)──────┘ │
 *                                 └──(deadline)──► FAILED ──(AP, late)──► LATE, parked
 */
enum cpu_state { CPU_LISTED, CPU_STARTING, CPU_ONLINE, CPU_FAILED, CPU_LATE };

struct listed_cpu {
	uint32_t apic_id, uid;
	_Atomic uint32_t state; /* enum cpu_state */
	uint8_t stage;          /* AP_STAGE_…, copied when the CPU was given up */
	uint32_t error;         /* the boot CPU's ESR after sending to it */
};

/* By CPU index; the boot CPU is 0, the others in the order of their APIC ids. */
extern struct listed_cpu listed_cpus[MAX_CPUS];

/*
 * Whether there may be CPUs that are not on the list: left out on purpose, or lost with
 * what is damaged or missing of the MADT.
 */
extern bool cpus_left_out;

/* Where the trampoline is, physical; 0: there was nobody to start. Given back if all came. */
extern uint64_t trampoline;

#endif

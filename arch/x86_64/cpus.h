/*
 * The list of CPUs that the firmware told of, before and while they are started.
 * Boot CPU, save that each AP moves its own state.
 */
#ifndef X86_CPUS_H
#define X86_CPUS_H

#include <arch/apic_regs.h>
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

/*
 * What CPUs are sorted by: their APIC ids, but those of the boot CPU's cluster come first. So
 * whoever shares an ICR write has neighbouring indices, though the boot CPU's is 0 in any case.
 */
static inline uint64_t cpu_order(uint32_t apic_id, uint32_t boot_id)
{
	return (uint64_t)((apic_id ^ boot_id) >= APIC_CLUSTER_IDS) << 32 | apic_id;
}

/* By CPU index; the boot CPU is 0, the others in that order. */
extern struct listed_cpu listed_cpus[MAX_CPUS];

/*
 * Whether there may be CPUs that are not on the list: left out on purpose, or lost with
 * what is damaged or missing of the MADT.
 */
extern bool cpus_left_out;

/*
 * Where the trampoline is, physical; 0: there was nobody to start, or no room. Given back if all
 * came.
 */
extern uint64_t trampoline;

#endif

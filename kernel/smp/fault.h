/*
 * Faults on purpose, so that tests can see what a lost IPI, a late one or a deaf CPU
 * does to the protocol: the boot word fault=, or a test's own calls.
 *
 *   drop:IPI:N    of 1000 IPIs that arrive, N are lost: acknowledged and nothing more
 *   delay:IPI:N   N of 1000 are acted on late, by up to FAULT_DELAY_MAX_US
 *   dup:IPI:N     N of 1000 arrive twice
 *   late:CPU:MS   the AP arrives MS after it was started
 *   deaf:CPU:MS   the CPU's APIC takes no interrupt but NMIs for MS
 *   spin:CPU:MS   the CPU spins with interrupts off for MS
 *   busy:0:N      the next send finds the xAPIC's ICR busy for N looks at it
 *
 * IPI is single, many, resched, tlb, irq_work or reboot. Several are joined with commas.
 *
 * The faults of IPIs are put in where they arrive, in place of the vector's short entry if
 * it has one: while there are none, no such path has an instruction for them. To the
 * protocol an IPI lost on arrival and one lost on the way are the same.
 */
#ifndef KERNEL_SMP_FAULT_H
#define KERNEL_SMP_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#define FAULT_DELAY_MAX_US 200

enum fault_kind { FAULT_DROP, FAULT_DELAY, FAULT_DUP, FAULT_IPI_KINDS };

/* Begins to put in faults of a kind, permille of 1000 IPIs; 0 ends it. Thread context. */
int fault_set(enum fault_kind kind, unsigned int vector, unsigned int permille);

/* How many faults of a kind were put in since boot, on all CPUs. Any context. */
uint64_t fault_count(enum fault_kind kind);

/*
 * Makes an online CPU deaf, or spin, for ms; returns once it is. It must be idle. Thread
 * context on the boot CPU. 0, -ENXIO, -EBUSY.
 */
int fault_deaf(unsigned int cpu, unsigned int ms);
int fault_spin(unsigned int cpu, unsigned int ms);

/* It is deaf, or spins, no longer. Any context. */
void fault_end(void);

/* The next send finds the ICR busy for long. -ENODEV in x2APIC mode, which has no such bit. */
int fault_busy(void);

/* What fault= asked for: before the APs start, on each AP, and when all are up. */
void fault_ap_start(unsigned int cpu);
void fault_start(void);

#endif

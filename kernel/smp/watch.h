/*
 * Watching over what should not take long: waited calls, by who waits; and queues
 * that nobody empties, by another CPU's tick, even when nobody waits.
 */
#ifndef KERNEL_SMP_WATCH_H
#define KERNEL_SMP_WATCH_H

#include <kernel/smp/csd.h>
#include <stdint.h>

/*
 * The rest of a wait, which began at since and was not over soon: reports past the deadline, and
 * goes on until the call has run or its target was stopped. Interrupts on. Returns 0 or
 * -ETIMEDOUT.
 */
int watch_wait(struct csd *csd, uint64_t since);

/*
 * What is queued for a CPU that is stopped will not run: nobody need wait for it, and the
 * descriptors are free again. Any context but NMI.
 */
void watch_cancel(unsigned int cpu);

/*
 * Starts the ticks that look at the queues; says so if there is no timer for them.
 * Again: nothing. Boot CPU, thread context, after the other CPUs were started.
 */
void watch_start(void);

/* Another deadline for all; 0: that of stall_ms= again. Boot CPU, thread context. */
void watch_set_deadline_ns(uint64_t ns);

#endif

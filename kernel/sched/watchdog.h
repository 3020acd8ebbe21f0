/*
 * Lockups: a CPU on which schedule() is due and is not called (soft: something holds
 * preemption off), and one that takes no tick (hard: something keeps interrupts off).
 */
#ifndef KERNEL_SCHED_WATCHDOG_H
#define KERNEL_SCHED_WATCHDOG_H

#include <kernel/smp/patience.h>
#include <kernel/smp/spinlock.h>
#include <stdbool.h>
#include <stdint.h>

#define LOCKUP_DEADLINES 2 /* as many times what stall_ms= says, until it is reported */

/* What is known of one of the two. */
struct lockup {
	struct spinlock lock;
	uint64_t progress;        /* that changes when it is over */
	uint64_t looked_at;       /* by the clock of who looked */
	uint64_t age_ns;          /* without progress */
	struct patience patience; /* with that age as its clock */
	bool reported;
};

/* Lets every CPU's tick look at itself and at the next CPU. Boot CPU, before tick_start. */
void watchdog_init(void);

#endif

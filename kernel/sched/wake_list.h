/*
 * The side of wake.c's table that is the CPU's own. For the scheduler and the idle loop;
 * interrupts off.
 */
#ifndef KERNEL_SCHED_WAKE_LIST_H
#define KERNEL_SCHED_WAKE_LIST_H

#include <kernel/sched/wake.h>
#include <kernel/smp/cpu.h>

/*
 * (3) and (4): takes all that others put into the wake list. current still runs, on its
 * stack. The look comes after the exchange, which acquires from the wakers before it.
 */
static inline void wake_take(struct cpu *cpu, struct thread *current)
{
	atomic_exchange_explicit(&cpu->wake_above, 0, memory_order_acq_rel);
	if (!llist_empty(&cpu->wake_list))
		wake_collect(cpu, current);
}

/* (5): threads up to that priority can wait; or WAKE_POLLS, before polling. */
static inline void wake_tell(struct cpu *cpu, uint32_t level)
{
	atomic_store_explicit(&cpu->wake_above, level, memory_order_relaxed);
}

/* What a CPU that polls looks at. */
static inline bool wake_is_wanted(struct cpu *cpu)
{
	return need_resched() || !llist_empty(&cpu->wake_list) ||
	       atomic_load_explicit(&cpu->poked, memory_order_relaxed);
}

#endif

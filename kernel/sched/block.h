/*
 * A thread that waits: what all ways to wait are made of.
 */
#ifndef KERNEL_SCHED_BLOCK_H
#define KERNEL_SCHED_BLOCK_H

#include <arch/irq.h>
#include <kernel/sched/preempt.h>
#include <stdbool.h>

/*
 * Whether this thread may wait: not in an interrupt or a call's function, with
 * interrupts off, or with preemption held off. If it may not, that is warned of, once
 * for each place: where this is called.
 */
bool thread_may_wait(void);

/* Says that caller, an address in its place, may not wait, unless only the count was wrong. */
bool thread_refuse_wait(const void *caller) __attribute__((cold));

static inline bool nothing_is_held_off(void)
{
	return !irqs_disabled() && !preempt_count();
}

/* The same for a function that waits for its caller: the place is where that was called. */
static inline __attribute__((always_inline)) bool caller_may_wait(void)
{
	if (__builtin_expect(nothing_is_held_off(), 1))
		return true;
	return thread_refuse_wait(__builtin_return_address(0));
}

/*
 * Waiting, for those who see to it that they are woken (wait.h does):
 *
 *   thread_prepare_to_block();   BLOCKED: from here on thread_wake is for this thread
 *   if (what it waits for has not come)
 *           thread_block();      until it is woken
 *   else
 *           thread_stay();       RUNNING again, whether it was woken or not
 *
 * The first is a full barrier. Who looks and who wakes need an order of their own
 * between what is looked at and the state: a lock that both take, as a rule. A wait may
 * end although nobody meant it, so the look is repeated. Only where thread_may_wait.
 */
void thread_prepare_to_block(void);
void thread_block(void);
void thread_stay(void);

#endif

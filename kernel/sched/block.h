/*
 * A thread that waits: what all ways to wait are made of.
 */
#ifndef KERNEL_SCHED_BLOCK_H
#define KERNEL_SCHED_BLOCK_H

#include <stdbool.h>

/*
 * Whether this thread may wait: not in an interrupt or a call's function, with
 * interrupts off, or with preemption held off. If it may not, that is warned of, once
 * for each caller.
 */
bool thread_may_wait(void);

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

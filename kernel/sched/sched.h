/*
 * Giving the CPU away.
 */
#ifndef KERNEL_SCHED_SCHED_H
#define KERNEL_SCHED_SCHED_H

#include <kernel/sched/block.h>
#include <stdint.h>

/* Lets the others of the same priority go first. Thread context, preemption not held off. */
void thread_yield(void);

/*
 * From the exit of an interrupt that may have been sent for this: leaves the thread if
 * that is due and nothing holds it off. rip is what was interrupted. Interrupts off.
 */
void preempt_schedule_irq(uint64_t rip);

/* From the idle loop alone. Interrupts off. */
void schedule_idle(void);

struct thread;

/* The start of a thread that has the CPU for the first time. */
void thread_begin(void) __attribute__((noreturn));

/* The last of it. Thread context. */
void thread_end(int result) __attribute__((noreturn));

/*
 * over is told of each thread that ended, when nobody uses its stack any more; interrupts
 * are off then. Boot CPU, before the others are started.
 */
void sched_init(void (*over)(struct thread *thread));

#endif

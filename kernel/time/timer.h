/*
 * Timers: each wakes a thread at a time.
 */
#ifndef KERNEL_TIME_TIMER_H
#define KERNEL_TIME_TIMER_H

#include <kernel/smp/spinlock.h>
#include <lib/heap.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct thread;

/* A CPU's. */
struct timers {
	struct spinlock lock;
	struct heap heap;
};

/* On the stack of who waits, say. */
struct timer {
	struct heap_node node;
	struct thread *thread;
	unsigned int cpu; /* whose local timer and clock it uses */
	bool works;       /* there is a local timer that can be used */
	bool queued;      /* in that CPU's heap; its lock guards it */
	atomic_bool over;
};

/*
 * Wakes this thread ns from now, once; on a machine whose local timer cannot be used, not
 * at all. More than 146 years are as many. Thread context. timer_cancel must follow before
 * timer goes away.
 */
void timer_start(struct timer *timer, uint64_t ns);

/* Whether the time is over. Thread context, of the thread that started it. */
bool timer_is_over(struct timer *timer);

/*
 * thread_block, for who waits for a timer among other things: where there is none that
 * could wake it, it lets others run and comes back.
 */
void timer_block(struct timer *timer);

/* When it returns, the timer wakes nobody any more. Thread context. */
void timer_cancel(struct timer *timer);

/* Lets the local timer come here. Boot CPU, before the others are started. */
void timer_init(void);

#endif

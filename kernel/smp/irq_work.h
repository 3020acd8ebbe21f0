/*
 * Things to do soon in an interrupt: for who is in a context in which they cannot be
 * done, NMI above all.
 *
 *   idle ─(irq_work_queue)─► PENDING+BUSY ─(its CPU, before func)─► BUSY ─(after)─► idle
 *                                 ▲                                  │
 *                                 └────────(irq_work_queue)──────────┘
 *
 * Queued again on another CPU while func runs, it may run on both at once, so BUSY is a
 * number: of the runs that are queued or under way.
 */
#ifndef KERNEL_SMP_IRQ_WORK_H
#define KERNEL_SMP_IRQ_WORK_H

#include <lib/llist.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define IRQ_WORK_PENDING 1u /* queued; func has not begun */
#define IRQ_WORK_LAZY    2u /* may wait for the tick */
#define IRQ_WORK_BUSY    4u /* one run that is queued or has not returned */

/* { .func = f }, or { .func = f, .flags = IRQ_WORK_LAZY }. */
struct irq_work {
	struct llist_node node;
	void (*func)(struct irq_work *work);
	_Atomic uint32_t flags;
};

/*
 * Lets this CPU run work->func(work) as soon as it takes interrupts; a lazy one at its
 * next tick, if it ticks. func runs with interrupts off, in the order of queueing, and
 * may queue the work again. Returns whether it was queued by this call: not if it is
 * PENDING already, and then func is yet to begin and will see what the caller wrote
 * before; nor without a func, nor before this CPU is online. Any context, NMI included.
 */
bool irq_work_queue(struct irq_work *work);

/* The same on another CPU, or this one; false also for one that is not online. Not NMI. */
bool irq_work_queue_on(struct irq_work *work, unsigned int cpu);

/* Whether it is queued or running: then it must not go away. Acquire. Any context. */
static inline bool irq_work_is_busy(struct irq_work *work)
{
	return atomic_load_explicit(&work->flags, memory_order_acquire) & ~IRQ_WORK_LAZY;
}

/* Gives IRQ_WORK its handler. Boot CPU, before the others are started. */
void irq_work_init(void);

#endif

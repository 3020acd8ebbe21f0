/*
 * Wait queues: threads that wait for a condition, first come, first woken.
 *
 * No wake-up is lost, for both sides go through the queue's lock:
 *
 *   waiter                                waker
 *   lock, join the queue, BLOCKED, unlock  make the condition true
 *   look at the condition                  lock, wake the first in the queue, unlock
 *   schedule, unless it is true
 *
 * If the waker has the lock first, the waiter sees the condition true. If the waiter
 * has it first, the waker finds it in the queue and BLOCKED.
 *
 * A look may also take what it finds, so that others wait on. Then a waker may take out,
 * for something new, a waiter that has just found what it wanted and goes: it hands that
 * wake-up on to the next.
 */
#ifndef KERNEL_SCHED_WAIT_H
#define KERNEL_SCHED_WAIT_H

#include <kernel/sched/block.h>
#include <kernel/smp/spinlock.h>
#include <lib/errno.h>
#include <lib/list.h>
#include <stdatomic.h>
#include <stdbool.h>

struct thread;

/* All zero: nobody waits. */
struct wait_queue {
	struct spinlock lock;
	struct list entries;
};

/* One that waits; on its stack. */
struct wait_entry {
	struct list_node node;
	struct thread *thread;
	bool queued; /* the lock guards it */
};

/*
 * The pieces of a wait; all of them in a thread that may wait. wait_prepare puts it into
 * the queue, if it is not in it, and makes it BLOCKED. wait_finish makes it RUNNING, and
 * takes it out if no waker did; whether one did, since it was put in last.
 */
void wait_prepare(struct wait_queue *queue, struct wait_entry *entry);
bool wait_finish(struct wait_queue *queue, struct wait_entry *entry);

/*
 * Wakes the first in the queue, or all of them. Returns how many that were. Any context
 * but NMI.
 */
unsigned int wake_up(struct wait_queue *queue);
unsigned int wake_up_all(struct wait_queue *queue);

/*
 * For who guards something else with the queue's lock. Between wait_lock and
 * wait_unlock interrupts are off: wake_up_locked takes out and wakes the first, and
 * returns it, or NULL; wait_join is wait_prepare. wait_unlock leaves this thread if it
 * must. Any context but NMI, wait_join in a thread that may wait.
 */
unsigned long wait_lock(struct wait_queue *queue);
void wait_unlock(struct wait_queue *queue, unsigned long flags);
struct thread *wake_up_locked(struct wait_queue *queue);
void wait_join(struct wait_queue *queue, struct wait_entry *entry);

/*
 * Waits until condition is true; it is looked at again each time that the queue is
 * woken, or for no reason. Thread context. 0, or -EDEADLK where nobody may wait.
 */
#define wait_event(queue, condition) \
	({ \
		struct wait_entry entry_ = { 0 }; \
		bool may_wait_ = thread_may_wait(); \
		while (may_wait_) { \
			wait_prepare(queue, &entry_); \
			if (condition) \
				break; \
			thread_block(); \
		} \
		if (may_wait_ && wait_finish(queue, &entry_)) \
			wake_up(queue); /* it did not wait for that one any more */ \
		may_wait_ ? 0 : -EDEADLK; \
	})

#endif

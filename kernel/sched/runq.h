/*
 * The threads of one CPU that could run and do not: a queue for each priority. Only the
 * CPU itself touches it, with interrupts off.
 *
 *   real time   the highest priority first; within one, first come, first served
 *   fair        in turns: who has used up its slice goes to the end
 *   idle        in no queue; it runs when all are empty
 */
#ifndef KERNEL_SCHED_RUNQ_H
#define KERNEL_SCHED_RUNQ_H

#include <kernel/sched/thread.h>
#include <stdint.h>

struct runq {
	uint64_t filled; /* a bit for each priority that has somebody, and PRIORITY_IDLE's always */
	struct thread *first[PRIORITIES], **end[PRIORITIES]; /* where the next to come is noted */
};

static inline void runq_init(struct runq *runq)
{
	runq->filled = 1 << PRIORITY_IDLE;
	for (unsigned int priority = 0; priority < PRIORITIES; priority++)
		runq->end[priority] = &runq->first[priority];
}

/* The highest priority that has somebody; PRIORITY_IDLE for none. */
static inline unsigned int runq_best(const struct runq *runq)
{
	return 63 - (unsigned int)__builtin_clzll(runq->filled);
}

/* Behind those of its priority. */
static inline void runq_add_last(struct runq *runq, struct thread *thread)
{
	unsigned int priority = thread->priority;

	thread->next = NULL;
	*runq->end[priority] = thread;
	runq->end[priority] = &thread->next;
	runq->filled |= 1ull << priority;
}

/* In front of them: who was interrupted goes on before the others. */
static inline void runq_add_first(struct runq *runq, struct thread *thread)
{
	unsigned int priority = thread->priority;

	thread->next = runq->first[priority];
	if (!thread->next)
		runq->end[priority] = &thread->next;
	runq->first[priority] = thread;
	runq->filled |= 1ull << priority;
}

/* The last of a priority is gone. */
static inline void runq_empty(struct runq *runq, unsigned int priority)
{
	runq->end[priority] = &runq->first[priority];
	runq->filled &= ~(1ull << priority);
}

/* The first of a priority that has somebody. */
static inline struct thread *runq_take(struct runq *runq, unsigned int priority)
{
	struct thread *thread = runq->first[priority];

	runq->first[priority] = thread->next;
	if (!thread->next)
		runq_empty(runq, priority);
	return thread;
}

/* The first of the thread's priority, which has somebody; the thread goes behind the last. */
static inline struct thread *runq_rotate(struct runq *runq, struct thread *thread,
					 unsigned int priority)
{
	struct thread *first;

	thread->next = NULL;
	*runq->end[priority] = thread;
	runq->end[priority] = &thread->next;
	first = runq->first[priority];
	runq->first[priority] = first->next;
	return first;
}

/* Out of the middle: it is looked for. Whether it was there. */
static inline bool runq_remove(struct runq *runq, struct thread *thread)
{
	unsigned int priority = thread->priority;
	struct thread **link = &runq->first[priority];

	while (*link && *link != thread)
		link = &(*link)->next;
	if (!*link)
		return false;
	*link = thread->next;
	if (!thread->next)
		runq->end[priority] = link;
	if (!runq->first[priority])
		runq_empty(runq, priority);
	return true;
}

#endif

/*
 * Waiting until something is done.
 */
#ifndef KERNEL_SCHED_COMPLETION_H
#define KERNEL_SCHED_COMPLETION_H

#include <kernel/sched/wait.h>

/* All zero: nothing is done yet. */
struct completion {
	struct wait_queue waiters; /* its lock guards done, too */
	uint32_t done;             /* how many may go on without waiting */
};

#define COMPLETED_FOR_ALL UINT32_MAX

/*
 * One thing is done: one waiter, the first or the next to come, goes on. Release: it
 * sees what the caller wrote before. Any context but NMI.
 */
void complete(struct completion *completion);

/* All waiters go on, now and later. Otherwise as complete. */
void complete_all(struct completion *completion);

/*
 * Waits for one thing to be done. Thread context. Returns 0, or -EDEADLK where nobody
 * may wait.
 */
int wait_for_completion(struct completion *completion);

/* The same for at most ns; -ETIMEDOUT then. */
int wait_for_completion_timeout(struct completion *completion, uint64_t ns);

/* Takes one thing that is done, if there is one. Acquire. Any context but NMI. */
bool try_wait_for_completion(struct completion *completion);

#endif

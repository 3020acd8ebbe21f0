/*
 * Counting semaphores. Who waits is served in turn: what up() gives goes to the first.
 */
#ifndef KERNEL_SCHED_SEMAPHORE_H
#define KERNEL_SCHED_SEMAPHORE_H

#include <kernel/sched/wait.h>
#include <stdint.h>

/* { .count = n }: so many may come down without waiting. */
struct semaphore {
	struct wait_queue waiters; /* its lock guards count, too */
	uint32_t count;
};

/* Thread context. Acquire. Returns 0, or -EDEADLK where nobody may wait. */
int down(struct semaphore *semaphore);

/* Whether it came down without waiting. Any context but NMI. */
bool down_trylock(struct semaphore *semaphore);

/* Release. Any context but NMI, and any thread. */
void up(struct semaphore *semaphore);

#endif

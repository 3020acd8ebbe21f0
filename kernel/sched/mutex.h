/*
 * Mutual exclusion among threads. Whoever has to wait gives the CPU away, and gets the
 * mutex in its turn: it is handed to the first that waits, so nobody overtakes.
 */
#ifndef KERNEL_SCHED_MUTEX_H
#define KERNEL_SCHED_MUTEX_H

#include <kernel/sched/wait.h>

/* All zero: nobody has it. */
struct mutex {
	struct wait_queue waiters; /* its lock guards owner, too */
	struct thread *owner;
};

/*
 * Thread context. Acquire. Returns 0, or -EDEADLK: this thread has it already, or is
 * where nobody may wait; both are warned of.
 */
int mutex_lock(struct mutex *mutex);

/* Whether this thread has it now: never with interrupts off. Thread context; does not wait. */
bool mutex_trylock(struct mutex *mutex);

/*
 * Release. Thread context, interrupts on. Returns 0, or -EPERM, with a warning, for who does
 * not have it: another thread, or a handler or function, whatever it interrupted.
 */
int mutex_unlock(struct mutex *mutex);

#endif

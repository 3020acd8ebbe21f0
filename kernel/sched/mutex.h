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

/* Without the checks of a debug build: for the functions below. */
int mutex_lock_plain(struct mutex *mutex);
bool mutex_trylock_plain(struct mutex *mutex);
int mutex_unlock_plain(struct mutex *mutex);

/*
 * Thread context. Acquire. Returns 0, or -EDEADLK: this thread has it already, or is
 * where nobody may wait; both are warned of.
 */
static inline __attribute__((always_inline)) int mutex_lock_named(struct mutex *mutex,
								  const char *name)
{
	int error;

	if (debug_build)
		lock_order_mutex_before(name);
	error = mutex_lock_plain(mutex);
	if (debug_build && !error)
		lock_order_mutex_taken(mutex, name);
	return error;
}

/* Whether this thread has it now: never with interrupts off. Thread context; does not wait. */
static inline __attribute__((always_inline)) bool mutex_trylock_named(struct mutex *mutex,
								      const char *name)
{
	bool taken = mutex_trylock_plain(mutex);

	if (debug_build && taken)
		lock_order_mutex_taken(mutex, name);
	return taken;
}

/*
 * Release. Thread context, interrupts on. Returns 0, or -EPERM, with a warning, for who does
 * not have it: another thread, or a handler or function, whatever it interrupted. So with
 * interrupts off, whoever asks.
 */
static inline __attribute__((always_inline)) int mutex_unlock(struct mutex *mutex)
{
	if (debug_build && !irqs_disabled())
		lock_order_mutex_let_go(mutex);
	return mutex_unlock_plain(mutex);
}

/* A mutex is named as it is written, for debug builds. */
#define mutex_lock(mutex)    mutex_lock_named(mutex, SPINLOCK_NAME(mutex))
#define mutex_trylock(mutex) mutex_trylock_named(mutex, SPINLOCK_NAME(mutex))

#endif

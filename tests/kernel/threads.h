/*
 * Threads for tests.
 */
#ifndef TESTS_KERNEL_THREADS_H
#define TESTS_KERNEL_THREADS_H

#include <kernel/sched/thread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* A thread that is pinned there, woken; NULL, and the test has failed, if there is none. */
struct thread *run_on(unsigned int cpu, int (*func)(void *arg), void *arg);

/* The same in the real-time class; not woken. */
struct thread *make_rt(unsigned int cpu, unsigned int priority, int (*func)(void *arg), void *arg);

/* Joins it; what it returned, or, if it does not end in time, a failure and the error. */
int join(struct thread *thread);

/* Spins until the flag that arg points to is true. Returns the CPU it ended on. */
int spin_until(void *flag);

/* Adds one to the atomic_uint that arg points to. */
int add_one(void *count);

/* Skips the test where no tick lets threads take turns. */
bool lacks_slices(void);

/* Whether idle CPUs poll, so that nobody sends them an IPI to wake them (idle=). */
bool polls(void);

/* Whether the thread has become BLOCKED, and its CPU has left it. Waits, bounded. */
bool has_blocked(struct thread *thread);

#endif

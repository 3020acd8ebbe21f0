/*
 * Left after every instruction: the trap flag stops a thread behind each, and a more urgent
 * thread of the same CPU is woken there, and looks, or does the same thing itself.
 */
#ifndef TESTS_KERNEL_STEP_H
#define TESTS_KERNEL_STEP_H

#include <kernel/sched/thread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define MOST_STEPS 1000 /* of what takes a step more each time until it has no more */

struct stepping {
	struct thread *stepper, *intruder;
	void (*prepare)(void); /* by the intruder, before the first step; NULL: nothing */
	void (*intrude)(void);
	atomic_bool ended;
	unsigned int steps, intrusions, wrong;
	unsigned int only; /* the step behind which to intrude; 0: each */
	unsigned int target;
	uint64_t ipis;
};

extern struct stepping step;

/* Runs func step by step; intrude is what the intruder does each time. Thread context. */
void step_through(void (*func)(void), void (*intrude)(void));

#endif

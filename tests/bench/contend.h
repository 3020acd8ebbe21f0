/*
 * All CPUs call others at once, chosen at random: for whatever way of calling there is.
 */
#ifndef TESTS_BENCH_CONTEND_H
#define TESTS_BENCH_CONTEND_H

#include <arch/cpu.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/csd.h>
#include <lib/random.h>

#define CONTEND_CALLS 1000 /* by each CPU */

static inline void contend_nothing(void *info)
{
	(void)info;
}

/* This CPU's share. Inlined, so that a way to call that is known is called directly. */
static inline __attribute__((always_inline)) void
contend_call_others(int (*call)(unsigned long cpu, smp_call_func_t func, void *info, bool wait))
{
	uint64_t state = this_cpu->index + 1;
	unsigned int others = cpumask_weight(&cpu_online_mask) - 1;

	for (unsigned int i = 0; i < CONTEND_CALLS; i++) {
		unsigned int to = (unsigned int)random_below(&state, others);

		call(to + (to >= this_cpu->index), contend_nothing, NULL, true);
	}
}

/* Runs share on every CPU; ticks for each call. One sample is the whole of it. */
uint64_t contend(void (*share)(void *unused));

#endif

/*
 * What many tests of calls need: CPUs that are kept inside a function, and a count of
 * runs on each.
 */
#ifndef TESTS_KERNEL_HOLD_H
#define TESTS_KERNEL_HOLD_H

#include <lib/cpumask.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Keeps CPUs, which are others, in a function, interrupts off, until they are released.
 * They spin meanwhile, so on an emulator let them be few.
 */
bool hold_cpus(const struct cpumask *mask);
bool hold_cpu(unsigned int cpu);
void release_cpus(void);

/* A function for any call; it counts on which CPU it ran, and that interrupts were off. */
void count_run(void *unused);

/*
 * Runs since clear_runs: of a CPU, of all, and where; twice on one CPU is a failure of
 * the last. For a call that nobody waits for: after something that comes behind it.
 */
void clear_runs(void);
unsigned int runs(unsigned int cpu);
unsigned int all_runs(void);
struct cpumask ran_on(void);

/* Up to count online CPUs, this one not among them; and all there are. */
struct cpumask some_others(unsigned int count);
struct cpumask all_others(void);

struct cpumask mask_of(unsigned int cpu);
struct cpumask mask_and(const struct cpumask *a, const struct cpumask *b);
bool mask_equal(const struct cpumask *a, const struct cpumask *b);

#endif

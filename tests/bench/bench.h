/*
 * Benchmarks in the kernel: registered like tests, printed as "# bench {…}".
 *
 * A benchmark gives one sample, in TSC ticks, each time it is called on CPU 0: no other unit is
 * registered. The runner puts the receiving CPU into the wanted state, warms up, keeps every sample
 * and prints after the last.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <arch/time.h>
#include <kernel/panic.h>
#include <kernel/smp/cpu.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum receiver {
	RECEIVER_HALTED, /* all but CPU 0 halt */
	RECEIVER_SPINS,  /* CPU 1 spins with PAUSE, the others halt */
	RECEIVERS_SPIN,  /* all but CPU 0 spin */
};

/* Instead of a sample, where what should take longer did not: of many there is no figure. */
#define NO_SAMPLE UINT64_MAX

/* What each call takes of several, as the difference between many of them and few. */
static inline uint64_t bench_share(uint64_t few, uint64_t many, uint64_t calls)
{
	return many > few ? (many - few) / calls : NO_SAMPLE;
}

/* A benchmark of what failed would be a figure of nothing. */
static inline void bench_must(int error)
{
	if (error)
		panic("benchmark: error %d", error);
}

/*
 * That this CPU queued the calls that were timed, since the count was before. In place of what they
 * returned: to keep that beyond the second reading of the clock is an instruction of the figure.
 */
static inline void bench_must_queue(uint64_t before, uint64_t calls)
{
	uint64_t queued = this_cpu->calls_queued - before;

	if (queued != calls)
		panic("benchmark: %lu calls were queued, not %lu", queued, calls);
}

struct bench {
	const char *name;
	unsigned int min_cpus;
	enum receiver receiver;
	uint64_t (*sample)(void);
	unsigned int samples;              /* 0: as many as the number of CPUs allows */
	void (*begin)(void), (*end)(void); /* before the first and after the last; or NULL */
};

#define BENCH_DEFINE(bench_id, ...) \
	static const struct bench bench_##bench_id = { __VA_ARGS__ }; \
	static const struct bench *const bench_pointer_##bench_id \
		__attribute__((used, section(".benches"))) = &bench_##bench_id

#define BENCH_SAMPLES(bench_id, bench_name, cpus_needed, receiver_state, function, count) \
	BENCH_DEFINE(bench_id, bench_name, cpus_needed, receiver_state, function, count, NULL, NULL)

#define BENCH(bench_id, bench_name, cpus_needed, receiver_state, function) \
	BENCH_SAMPLES(bench_id, bench_name, cpus_needed, receiver_state, function, 0)

/* For one that explains another, and is the same in each sample. */
#define FEW_SAMPLES 200
#define BENCH_FEW(bench_id, bench_name, cpus_needed, receiver_state, function) \
	BENCH_SAMPLES(bench_id, bench_name, cpus_needed, receiver_state, function, FEW_SAMPLES)
#define BENCH_FEW_BETWEEN(bench_id, bench_name, cpus_needed, receiver_state, function, begin, end) \
	BENCH_DEFINE(bench_id, bench_name, cpus_needed, receiver_state, function, FEW_SAMPLES, \
		     begin, end)

/* For one whose single sample is an average over many calls already. */
#define BENCH_ONCE(bench_id, bench_name, cpus_needed, receiver_state, function) \
	BENCH_SAMPLES(bench_id, bench_name, cpus_needed, receiver_state, function, 3)

/* For one that needs something to be there meanwhile. */
#define BENCH_BETWEEN(bench_id, bench_name, cpus_needed, receiver_state, function, begin, end) \
	BENCH_DEFINE(bench_id, bench_name, cpus_needed, receiver_state, function, 0, begin, end)

/* The CPU that receives in benchmarks of one sender and one receiver. */
#define RECEIVER 1

#endif

/*
 * Benchmarks in Linux, by the method of tests/bench/bench.h: a sample is ticks of the TSC, taken on
 * CPU 0, with the receivers in a known state. Nothing is included here, and the types are the
 * compiler's own, so that the header stands without Linux's.
 */
#ifndef NUDGE_COMPARE_BENCH_H
#define NUDGE_COMPARE_BENCH_H

enum receiver {
	RECEIVER_HALTED, /* all but CPU 0 halt */
	RECEIVER_SPINS,  /* CPU 1 spins with PAUSE, the others halt */
	RECEIVERS_SPIN,  /* all but CPU 0 spin */
};

struct bench {
	const char *name;
	enum receiver receiver;
	unsigned int samples; /* 0: as many as the number of CPUs allows */
	unsigned long long (*sample)(void);
	int (*begin)(void); /* before the first sample, may be null; 0 or a negative error */
	void (*end)(void);  /* after the last one */
};

/* The CPU that receives in benchmarks of one sender and one receiver. */
#define RECEIVER 1

/* Every table ends in one without a name. */
extern const struct bench call_benches[], burst_benches[], many_benches[], wake_benches[];

/* Puts CPUs into the state; 0 or a negative error. Process context, on CPU 0. */
int receivers_begin(enum receiver receiver);
void receivers_end(void);

/* The TSC, read after everything before it and before everything after it. */
static inline unsigned long long cycles_ordered(void)
{
	unsigned int low, high;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (unsigned long long)high << 32 | low;
}

#endif

/*
 * The schemes of calls side by side (tests/schemes), the kernel's among them, all called
 * in the same way. What queue costs here beyond call.* is the call through a pointer.
 */
#include "bench.h"
#include <arch/cpu.h>
#include <kernel/smp/cpu.h>
#include <kernel/sched/work.h>
#include <lib/random.h>
#include <tests/schemes/scheme.h>

#define CONTEND_CALLS 1000

static void nothing(void *info)
{
	(void)info;
}

static uint64_t single_waited(const struct call_scheme *scheme)
{
	uint64_t start, ticks;

	call_scheme_use(scheme);
	start = cycles_ordered();
	scheme->single(RECEIVER, nothing, NULL, true);
	ticks = cycles_ordered() - start;
	call_scheme_use(NULL);
	return ticks;
}

static uint64_t many_waited(const struct call_scheme *scheme)
{
	uint64_t start, ticks;

	call_scheme_use(scheme);
	start = cycles_ordered();
	scheme->many(&cpu_online_mask, nothing, NULL, true);
	ticks = cycles_ordered() - start;
	call_scheme_use(NULL);
	return ticks;
}

static const struct call_scheme *contended;

static void call_others(void *info)
{
	uint64_t state = this_cpu->index + 1;
	unsigned int others = cpumask_weight(&cpu_online_mask) - 1;

	(void)info;
	for (unsigned int i = 0; i < CONTEND_CALLS; i++) {
		unsigned int to = (unsigned int)random_below(&state, others);

		contended->single(to + (to >= this_cpu->index), nothing, NULL, true);
	}
}

/* As call.contend: ticks for each call, all CPUs at once. */
static uint64_t contend(const struct call_scheme *scheme)
{
	unsigned int online = cpumask_weight(&cpu_online_mask);
	uint64_t start, ticks;

	for_each_cpu(cpu, &cpu_online_mask)
		work_wait(cpu);
	call_scheme_use(scheme);
	contended = scheme;
	start = cycles_ordered();
	for (unsigned int cpu = 1; cpu < online; cpu++)
		work_start(cpu, call_others, NULL);
	call_others(NULL);
	for_each_cpu(cpu, &cpu_online_mask)
		work_wait(cpu);
	ticks = (cycles_ordered() - start) / (online * CONTEND_CALLS);
	call_scheme_use(NULL);
	return ticks;
}

/* One sample of contend is an average of thousands of calls, and takes its time. */
#define SCHEME_BENCHES(scheme) \
	static uint64_t scheme##_single(void) \
	{ \
		return single_waited(&scheme##_scheme); \
	} \
	BENCH(scheme##_single, "scheme." #scheme ".wait.busy", 2, RECEIVER_SPINS, \
	      scheme##_single); \
	static uint64_t scheme##_many(void) \
	{ \
		return many_waited(&scheme##_scheme); \
	} \
	BENCH(scheme##_many, "scheme." #scheme ".many.wait.busy", 2, RECEIVERS_SPIN, \
	      scheme##_many); \
	static uint64_t scheme##_contend(void) \
	{ \
		return contend(&scheme##_scheme); \
	} \
	BENCH_SAMPLES(scheme##_contend, "scheme." #scheme ".contend", 2, RECEIVER_HALTED, \
		      scheme##_contend, 1)

SCHEME_BENCHES(queue);
SCHEME_BENCHES(message);
SCHEME_BENCHES(table);
SCHEME_BENCHES(mailbox);

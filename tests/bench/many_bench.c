/*
 * What calls to many CPUs cost, and calls by all at once.
 */
#include "bench.h"
#include <arch/cpu.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/sched/work.h>
#include <lib/random.h>
#include <stdatomic.h>

#define CONTEND_CALLS 1000

static void nothing(void *info)
{
	(void)info;
}

static uint64_t many_waited(void)
{
	uint64_t start = cycles_ordered();

	smp_call_function_many(&cpu_online_mask, nothing, NULL, true);
	return cycles_ordered() - start;
}
BENCH(many_wait, "call.many.wait.busy", 2, RECEIVERS_SPIN, many_waited);

static uint64_t many_unwaited(void)
{
	uint64_t start = cycles_ordered();

	smp_call_function_many(&cpu_online_mask, nothing, NULL, false);
	return cycles_ordered() - start;
}
BENCH(many_send, "call.many.nowait.send.busy", 2, RECEIVERS_SPIN, many_unwaited);

static uint64_t each_waited(void)
{
	uint64_t start = cycles_ordered();

	on_each_cpu(nothing, NULL, true);
	return cycles_ordered() - start;
}
BENCH(each_wait, "call.each.wait.busy", 2, RECEIVERS_SPIN, each_waited);

static void call_others(void *info)
{
	uint64_t state = this_cpu->index + 1;
	unsigned int others = cpumask_weight(&cpu_online_mask) - 1;

	(void)info;
	for (unsigned int i = 0; i < CONTEND_CALLS; i++) {
		unsigned int to = (unsigned int)random_below(&state, others);

		smp_call_function_single(to + (to >= this_cpu->index), nothing, NULL, true);
	}
}

/* Ticks for each call, all CPUs at once; one sample is the whole of it. */
static uint64_t contend(void)
{
	unsigned int online = cpumask_weight(&cpu_online_mask);
	uint64_t start;

	for_each_cpu(cpu, &cpu_online_mask)
		work_wait(cpu);
	start = cycles_ordered();
	for (unsigned int cpu = 1; cpu < online; cpu++)
		work_start(cpu, call_others, NULL);
	call_others(NULL);
	for_each_cpu(cpu, &cpu_online_mask)
		work_wait(cpu);
	return (cycles_ordered() - start) / (online * CONTEND_CALLS);
}
BENCH_ONCE(contend, "call.contend", 2, RECEIVER_HALTED, contend);

/*
 * What calls to many CPUs cost, and calls by all at once.
 */
#include "bench.h"
#include "contend.h"
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>

static void nothing(void *info)
{
	(void)info;
}

static unsigned int others(void)
{
	return cpumask_weight(&cpu_online_mask) - 1;
}

static uint64_t many_waited(void)
{
	uint64_t before = this_cpu->calls_queued, start = cycles_ordered(), ticks;

	smp_call_function_many(&cpu_online_mask, nothing, NULL, true);
	ticks = cycles_ordered() - start;
	bench_must_queue(before, others());
	return ticks;
}
BENCH(many_wait, "call.many.wait.busy", 2, RECEIVERS_SPIN, many_waited);

static uint64_t many_unwaited(void)
{
	uint64_t before = this_cpu->calls_queued, start = cycles_ordered(), ticks;

	smp_call_function_many(&cpu_online_mask, nothing, NULL, false);
	ticks = cycles_ordered() - start;
	bench_must_queue(before, others());
	return ticks;
}
BENCH(many_send, "call.many.nowait.send.busy", 2, RECEIVERS_SPIN, many_unwaited);

static uint64_t each_waited(void)
{
	uint64_t before = this_cpu->calls_queued, start = cycles_ordered(), ticks;

	on_each_cpu(nothing, NULL, true);
	ticks = cycles_ordered() - start;
	bench_must_queue(before, others());
	return ticks;
}
BENCH(each_wait, "call.each.wait.busy", 2, RECEIVERS_SPIN, each_waited);

static void call_others(void *unused)
{
	(void)unused;
	contend_call_others(smp_call_function_single);
}

static uint64_t queued_by_all(void)
{
	uint64_t sum = 0;

	for_each_cpu(cpu, &cpu_online_mask)
		sum += cpus[cpu]->calls_queued;
	return sum;
}

static uint64_t all_at_once(void)
{
	uint64_t before = queued_by_all(), ticks = contend(call_others);

	if (queued_by_all() - before != (others() + 1) * CONTEND_CALLS)
		panic("benchmark: %lu calls were queued by all", queued_by_all() - before);
	return ticks;
}
BENCH_ONCE(contend, "call.contend", 2, RECEIVER_HALTED, all_at_once);

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

static void call_others(void *unused)
{
	(void)unused;
	contend_call_others(smp_call_function_single);
}

static uint64_t all_at_once(void)
{
	return contend(call_others);
}
BENCH_ONCE(contend, "call.contend", 2, RECEIVER_HALTED, all_at_once);

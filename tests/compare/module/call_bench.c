/*
 * What calls to one CPU cost in Linux. The same samples as tests/bench/call_bench.c takes in Nudge.
 */
#include "bench.h"
#include <linux/smp.h>

static void nothing(void *unused) {}

static u64 stamped;

static void stamp(void *unused)
{
	WRITE_ONCE(stamped, cycles_ordered());
}

static u64 wait_for_stamp(void)
{
	u64 value;

	while (!(value = READ_ONCE(stamped)))
		cpu_relax();
	WRITE_ONCE(stamped, 0);
	return value;
}

static u64 call_self(void)
{
	u64 start = cycles_ordered();

	smp_call_function_single(0, nothing, NULL, 1);
	return cycles_ordered() - start;
}

static u64 call_waited(void)
{
	u64 start = cycles_ordered();

	smp_call_function_single(RECEIVER, nothing, NULL, 1);
	return cycles_ordered() - start;
}

static u64 call_unwaited(void)
{
	u64 start = cycles_ordered();

	smp_call_function_single(RECEIVER, nothing, NULL, 0);
	return cycles_ordered() - start;
}

static call_single_data_t own = CSD_INIT(stamp, NULL);

static u64 async_oneway(void)
{
	u64 start = cycles_ordered();

	smp_call_function_single_async(RECEIVER, &own);
	return wait_for_stamp() - start;
}

static u64 async_send(void)
{
	u64 start = cycles_ordered(), sent;

	smp_call_function_single_async(RECEIVER, &own);
	sent = cycles_ordered();
	wait_for_stamp();
	return sent - start;
}

const struct bench call_benches[] = {
	{ "call.self", RECEIVER_HALTED, .sample = call_self },
	{ "call.single.wait.busy", RECEIVER_SPINS, .sample = call_waited },
	{ "call.single.wait.idle", RECEIVER_HALTED, .sample = call_waited },
	{ "call.single.nowait.send.busy", RECEIVER_SPINS, .sample = call_unwaited },
	{ "call.async.oneway.busy", RECEIVER_SPINS, .sample = async_oneway },
	{ "call.async.send.busy", RECEIVER_SPINS, .sample = async_send },
	{},
};

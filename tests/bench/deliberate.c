/*
 * Benchmarks that fail on purpose: a figure of what did not happen must not come out.
 */
#include "bench.h"
#include <kernel/smp/call.h>
#include <lib/errno.h>

static uint64_t no_difference(void)
{
	return bench_share(7, 7, 1);
}
BENCH_FEW(no_difference, "deliberate.no_difference", 1, RECEIVER_HALTED, no_difference);

/* A sample as call.single.wait.busy takes it, of a call that is refused. */
static uint64_t refused_call(void)
{
	uint64_t before = this_cpu->calls_queued, start = cycles_ordered(), ticks;

	smp_call_function_single(RECEIVER, NULL, NULL, true);
	ticks = cycles_ordered() - start;
	bench_must_queue(before, 1);
	return ticks;
}
BENCH_FEW(refused_call, "deliberate.refused_call", 2, RECEIVER_SPINS, refused_call);

static uint64_t error(void)
{
	bench_must(-EIO);
	return 0;
}
BENCH_FEW(error, "deliberate.error", 1, RECEIVER_HALTED, error);

/*
 * Sixty-four calls in a row to one CPU: all but the first and the last of the
 * functions do nothing, those two say when they began.
 */
#include "bench.h"
#include <arch/cpu.h>
#include <kernel/smp/call.h>
#include <stdatomic.h>

#define BURST 64

static struct csd csds[BURST];
static _Atomic uint64_t first, last;

static void nothing(void *info)
{
	(void)info;
}

static void stamp(void *info)
{
	atomic_store_explicit((_Atomic uint64_t *)info, cycles_ordered(), memory_order_release);
}

static void prepare(void)
{
	for (unsigned int i = 0; i < BURST; i++)
		csds[i].func = nothing;
	csds[0] = (struct csd){ .func = stamp, .info = &first };
	csds[BURST - 1] = (struct csd){ .func = stamp, .info = &last };
	atomic_store_explicit(&first, 0, memory_order_relaxed);
	atomic_store_explicit(&last, 0, memory_order_relaxed);
}

struct burst {
	uint64_t start, sent, first, last;
};

static struct burst run_burst(void)
{
	uint64_t before = this_cpu->calls_queued;
	struct burst burst;

	prepare();
	burst.start = cycles_ordered();
	for (unsigned int i = 0; i < BURST; i++)
		smp_call_function_single_async(RECEIVER, &csds[i]);
	burst.sent = cycles_ordered();
	while (!(burst.last = atomic_load_explicit(&last, memory_order_acquire))) {
		cpu_relax();
		bench_must_queue(before, BURST); /* here it is not in the figure */
	}
	burst.first = atomic_load_explicit(&first, memory_order_relaxed);
	return burst;
}

static uint64_t burst_send(void)
{
	struct burst burst = run_burst();

	return burst.sent - burst.start;
}
BENCH(burst_send, "call.burst64.send.busy", 2, RECEIVER_SPINS, burst_send);

static uint64_t burst_done(void)
{
	struct burst burst = run_burst();

	return burst.last - burst.start;
}
BENCH(burst_done, "call.burst64.done.busy", 2, RECEIVER_SPINS, burst_done);

static uint64_t burst_drain(void)
{
	struct burst burst = run_burst();

	return burst.last - burst.first;
}
BENCH(burst_drain, "call.burst64.drain.busy", 2, RECEIVER_SPINS, burst_drain);

/*
 * What calls to one CPU cost.
 */
#include "bench.h"
#include <arch/cpu.h>
#include <kernel/smp/call.h>
#include <lib/errno.h>
#include <stdatomic.h>

static void nothing(void *info)
{
	(void)info;
}

static _Atomic uint64_t stamped;

static void stamp(void *info)
{
	(void)info;
	atomic_store_explicit(&stamped, cycles_ordered(), memory_order_release);
}

/* What is behind the pause comes after the receiver's turn, so it is not in the figure. */
static uint64_t wait_for_stamp(uint64_t queued_before)
{
	uint64_t value;

	while (!(value = atomic_exchange_explicit(&stamped, 0, memory_order_acquire))) {
		cpu_relax();
		bench_must_queue(queued_before, 1);
	}
	return value;
}

static uint64_t call_self(void)
{
	uint64_t start = cycles_ordered();

	smp_call_function_single(0, nothing, NULL, true);
	return cycles_ordered() - start;
}

/* It queues nothing, so that it works is seen before. */
static void try_call_self(void)
{
	bench_must(smp_call_function_single(0, nothing, NULL, true));
}
BENCH_BETWEEN(call_self, "call.self", 1, RECEIVER_HALTED, call_self, try_call_self, NULL);

static uint64_t call_waited(void)
{
	uint64_t before = this_cpu->calls_queued, start = cycles_ordered(), ticks;

	smp_call_function_single(RECEIVER, nothing, NULL, true);
	ticks = cycles_ordered() - start;
	bench_must_queue(before, 1);
	return ticks;
}
BENCH(call_wait_busy, "call.single.wait.busy", 2, RECEIVER_SPINS, call_waited);
BENCH(call_wait_idle, "call.single.wait.idle", 2, RECEIVER_HALTED, call_waited);

static uint64_t call_unwaited(void)
{
	uint64_t before = this_cpu->calls_queued, start = cycles_ordered(), ticks;

	smp_call_function_single(RECEIVER, nothing, NULL, false);
	ticks = cycles_ordered() - start;
	bench_must_queue(before, 1);
	return ticks;
}
BENCH(call_send_busy, "call.single.nowait.send.busy", 2, RECEIVER_SPINS, call_unwaited);

static struct csd own = { .func = stamp };

static uint64_t async_oneway(void)
{
	uint64_t before = this_cpu->calls_queued, start = cycles_ordered();

	smp_call_function_single_async(RECEIVER, &own);
	return wait_for_stamp(before) - start;
}
BENCH(async_oneway, "call.async.oneway.busy", 2, RECEIVER_SPINS, async_oneway);

static uint64_t async_send(void)
{
	uint64_t before = this_cpu->calls_queued, start = cycles_ordered(), sent;

	smp_call_function_single_async(RECEIVER, &own);
	sent = cycles_ordered();
	wait_for_stamp(before);
	return sent - start;
}
BENCH(async_send, "call.async.send.busy", 2, RECEIVER_SPINS, async_send);

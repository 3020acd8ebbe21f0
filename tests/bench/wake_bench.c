/*
 * What it costs to wake threads, and to change from one to another.
 *
 * The thread on CPU 1 is made before the first sample and joined after the last: the
 * runner says which that is.
 */
#include "bench.h"
#include <arch/cpu.h>
#include <kernel/panic.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/cpu.h>
#include <stdatomic.h>

#define FOUR_TIMES(what) \
	what; \
	what; \
	what; \
	what

static struct thread *main_thread, *other;
static _Atomic uint64_t stamped;
static atomic_bool back, ended;

static void start_thread(unsigned int cpu, int (*func)(void *))
{
	const struct thread_args args = { .name = "bench",
					  .func = func,
					  .pinned = true,
					  .cpu = cpu };

	atomic_store_explicit(&ended, false, memory_order_relaxed);
	main_thread = this_cpu->current;
	if (thread_run(&other, &args))
		panic("bench: no thread");
}

static void end_thread(void)
{
	atomic_store_explicit(&ended, true, memory_order_release);
	thread_wake(other);
	thread_join(other, NULL);
}

/* Blocks until it is woken. Who wakes it has seen that it blocks: no condition is looked at. */
static void wait_for_wake(void)
{
	thread_prepare_to_block();
	thread_block();
}

/* Before the clock is read: a CPU that is a thread of the host may be later than any gap. */
static void wait_until_it_blocks(void)
{
	while (atomic_load_explicit(&other->state, memory_order_relaxed) != THREAD_BLOCKED)
		cpu_relax();
}

static void end_thread_that_blocks(void)
{
	wait_until_it_blocks();
	end_thread();
}

static int stamp_when_woken(void *unused)
{
	(void)unused;
	for (;;) {
		wait_for_wake();
		if (atomic_load_explicit(&ended, memory_order_acquire))
			return 0;
		atomic_store_explicit(&stamped, cycles_ordered(), memory_order_release);
	}
}

static void start_stamping(void)
{
	start_thread(RECEIVER, stamp_when_woken);
}

static uint64_t wake_oneway(void)
{
	uint64_t start, woken;

	wait_until_it_blocks();
	start = cycles_ordered();
	thread_wake(other);
	while (!(woken = atomic_exchange_explicit(&stamped, 0, memory_order_acquire)))
		cpu_relax();
	return woken - start;
}
BENCH_BETWEEN(wake_oneway, "wake.oneway", 2, RECEIVER_HALTED, wake_oneway, start_stamping,
	      end_thread_that_blocks);

static int answer(void *unused)
{
	(void)unused;
	for (;;) {
		wait_for_wake();
		if (atomic_load_explicit(&ended, memory_order_acquire))
			return 0;
		atomic_store_explicit(&back, true, memory_order_relaxed);
		thread_wake(main_thread);
	}
}

static void start_answering(void)
{
	start_thread(RECEIVER, answer);
}

static uint64_t wake_pingpong(void)
{
	uint64_t start;

	wait_until_it_blocks();
	start = cycles_ordered();
	atomic_store_explicit(&back, false, memory_order_relaxed);
	thread_prepare_to_block();
	thread_wake(other);
	thread_block();
	start = cycles_ordered() - start;
	if (!atomic_load_explicit(&back, memory_order_relaxed))
		panic("bench: woken by nobody");
	return start;
}
BENCH_BETWEEN(wake_pingpong, "wake.pingpong", 2, RECEIVER_HALTED, wake_pingpong, start_answering,
	      end_thread_that_blocks);

#define YIELDS (4 * 4) /* to each other, in one sample: four times four times */

/* In a row, for a loop's own instructions are no part of a switch. */
static void yield_often(void)
{
	FOUR_TIMES(FOUR_TIMES(thread_yield()));
}

static int yield_for_ever(void *unused)
{
	(void)unused;
	while (!atomic_load_explicit(&ended, memory_order_acquire))
		yield_often();
	return 0;
}

static void start_yielding(void)
{
	start_thread(this_cpu->index, yield_for_ever);
}

/* There and back: two switches each. Rounded up, so that a part of a tick is not lost. */
static uint64_t context_switch(void)
{
	uint64_t start = cycles_ordered();

	yield_often();
	return (cycles_ordered() - start + 2 * YIELDS - 1) / (2 * YIELDS);
}
BENCH_BETWEEN(context_switch, "sched.switch", 1, RECEIVER_HALTED, context_switch, start_yielding,
	      end_thread);

static void start_answering_here(void)
{
	start_thread(this_cpu->index, answer);
	while (atomic_load_explicit(&other->state, memory_order_relaxed) != THREAD_BLOCKED)
		thread_yield();
}

/* Each wakes the other and blocks, by way of schedule(): half of there and back. */
static uint64_t blocking_switch(void)
{
	return (wake_pingpong() + 1) / 2;
}
BENCH_BETWEEN(blocking_switch, "sched.switch.blocking", 1, RECEIVER_HALTED, blocking_switch,
	      start_answering_here, end_thread_that_blocks);

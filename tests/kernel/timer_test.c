/*
 * Sleepers, and the scheduler's tick.
 */
#include "capture.h"
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/irq_work.h>
#include <kernel/time/sleep.h>
#include <kernel/time/timer.h>
#include <lib/errno.h>
#include <lib/heap.h>

#define NODES 64

/* What is added in any order comes out in order; half of it is taken out from the middle. */
TEST(heap, least_comes_first)
{
	static struct heap_node nodes[NODES];
	struct heap heap = { 0 };
	uint64_t base = UINT64_MAX - NODES / 2, last = base;
	unsigned int left = 0;

	for (unsigned int i = 0; i < NODES; i++)
		heap_add(&heap, &nodes[i], base + test_random_below(NODES));
	for (unsigned int i = 0; i < NODES; i += 2)
		heap_remove(&heap, &nodes[i]);
	while (heap.first) {
		struct heap_node *node = heap.first;

		EXPECT((node - nodes) % 2);
		EXPECT((int64_t)(node->key - last) >= 0);
		last = node->key;
		heap_remove(&heap, node);
		left++;
	}
	EXPECT_EQ(left, NODES / 2);
}

#define SLEEPERS 30

static unsigned int awake[SLEEPERS];
static atomic_uint awake_count;

struct sleeper {
	unsigned int number;
	uint64_t ns, due; /* it began to sleep after due - ns */
	bool early;
};

static int sleep_and_note(void *arg)
{
	struct sleeper *sleeper = arg;

	sleeper->due = clock_ns() + sleeper->ns;
	sleep_ns(sleeper->ns);
	sleeper->early = (int64_t)(clock_ns() - sleeper->due) < 0;
	awake[atomic_fetch_add(&awake_count, 1)] = sleeper->number;
	return 0;
}

TEST(timer, many_sleepers_and_none_wakes_early)
{
	struct sleeper sleepers[SLEEPERS];
	struct thread *threads[SLEEPERS];

	atomic_store(&awake_count, 0);
	preempt_disable();
	for (unsigned int i = 0; i < SLEEPERS; i++) {
		/* 7 and 30 have no common factor: every place once. */
		sleepers[i] =
			(struct sleeper){ .number = i, .ns = 1000000 + i * 7 % SLEEPERS * 1000000 };
		threads[i] = run_on(this_cpu->index, sleep_and_note, &sleepers[i]);
	}
	preempt_enable();
	for (unsigned int i = 0; i < SLEEPERS; i++) {
		join(threads[i]);
		EXPECT(!sleepers[i].early);
	}
	EXPECT(!this_cpu->timers.heap.first);
	EXPECT_EQ(atomic_load(&awake_count), SLEEPERS);
}

TEST(timer, cancelled_wakes_nobody)
{
	struct timer timer, other;

	timer_start(&timer, 1000000);
	timer_start(&other, 3600000000000ull);
	EXPECT(!timer_is_over(&other));
	EXPECT(WAIT_UNTIL(timer_is_over(&timer)));
	timer_cancel(&timer);
	timer_cancel(&other);
	EXPECT(!timer_is_over(&other));
	EXPECT(!this_cpu->timers.heap.first);
}

static int wait_for_ever(void *completion)
{
	return wait_for_completion_timeout(completion, UINT64_MAX);
}

/* A time that no clock reaches is not one that is over. */
TEST(timer, for_ever)
{
	struct completion completion = { 0 };
	struct timer timer, for_ever;
	struct thread *thread;

	timer_start(&for_ever, UINT64_MAX);
	timer_start(&timer, 1000000);
	EXPECT(WAIT_UNTIL(timer_is_over(&timer)));
	EXPECT(!timer_is_over(&for_ever));
	timer_cancel(&timer);
	timer_cancel(&for_ever);
	if (lacks_timer())
		return;
	thread = run_on(this_cpu->index, wait_for_ever, &completion);
	REQUIRE(thread && has_blocked(thread));
	complete(&completion);
	EXPECT_EQ(join(thread), 0);
}

static int sleep_then_tell_cpu(void *ns)
{
	sleep_ns(*(uint64_t *)ns);
	return (int)this_cpu->index;
}

static bool has_timers(unsigned int cpu)
{
	return *(struct heap_node *volatile *)&cpus[cpu]->timers.heap.first;
}

static bool sleeps(struct thread *thread)
{
	return atomic_load(&thread->state) == THREAD_BLOCKED && !*(volatile bool *)&thread->on_runq;
}

/* Whether it was moved before its time was over: when it was there, the timer still ran. */
static bool is_moved_asleep(unsigned int from, unsigned int to, uint64_t ns)
{
	struct thread *thread = run_on(from, sleep_then_tell_cpu, &ns);
	bool in_time;
	int ended_on;

	EXPECT(WAIT_UNTIL(sleeps(thread) || thread_is_over(thread)));
	in_time = !thread_pin(thread, to) && has_timers(from);
	ended_on = join(thread);
	EXPECT(!has_timers(from));
	if (in_time)
		EXPECT_EQ(ended_on, to);
	return in_time;
}

#define LONGEST_SLEEP_NS 10000000000ull

/* The timer stays where it was set; the thread goes. */
TEST(timer, sleeper_that_is_moved)
{
	uint64_t ns = 10000000;

	if (lacks_cpus(2) || lacks_timer())
		return;
	while (!is_moved_asleep(other_cpu(1), this_cpu->index, ns) && ns < LONGEST_SLEEP_NS)
		ns *= 2;
	EXPECT(ns < LONGEST_SLEEP_NS);
}

static int try_to_sleep_in_function;

static void sleep_here(void *unused)
{
	(void)unused;
	try_to_sleep_in_function = sleep_ns(1000);
}

TEST(timer, no_sleep_in_a_function)
{
	capture_start();
	smp_call_function_single(this_cpu->index, sleep_here, NULL, true);
	capture_end();
	EXPECT(capture_has_once("WARNING: sched: a wait where none may be", "sleep_here"));
	EXPECT_EQ(try_to_sleep_in_function, -EDEADLK);
}

/* The scheduler's tick runs while threads take turns, and on no CPU that is idle. */
TEST(timer, scheduler_tick_stops)
{
	unsigned int cpu = other_cpu(1);
	struct thread *first, *second;
	atomic_bool go = false;

	if (lacks_cpus(2) || lacks_slices())
		return;
	first = run_on(cpu, spin_until, &go);
	EXPECT(WAIT_UNTIL(*(struct thread *volatile *)&cpus[cpu]->current == first));
	EXPECT(WAIT_UNTIL(!*(volatile uint64_t *)&cpus[cpu]->tick.slice_at));
	second = run_on(cpu, spin_until, &go);
	EXPECT(WAIT_UNTIL(*(volatile uint64_t *)&cpus[cpu]->tick.slice_at));
	atomic_store(&go, true);
	join(first);
	join(second);
	for_each_cpu(idle, &cpu_online_mask) {
		if (idle == this_cpu->index)
			continue;
		EXPECT(WAIT_UNTIL(*(struct thread *volatile *)&cpus[idle]->current ==
				  cpus[idle]->idle));
		EXPECT(WAIT_UNTIL(!*(volatile uint64_t *)&cpus[idle]->tick.slice_at));
		/* It ticks on for the watch. */
		EXPECT(*(volatile uint64_t *)&cpus[idle]->tick.at);
	}
}

static void nothing(struct irq_work *work)
{
	(void)work;
}

/* Lazy irq_work waits for the tick, the scheduler's as well. */
TEST(timer, lazy_work_runs_at_the_scheduler_tick)
{
	struct irq_work work = { .func = nothing, .flags = IRQ_WORK_LAZY };
	struct thread *thread;
	atomic_bool go = false;
	uint64_t watch;

	if (lacks_slices())
		return;
	thread = run_on(this_cpu->index, spin_until, &go);
	watch = atomic_load(&this_cpu->self->tick.last);
	irq_disable();
	EXPECT(irq_work_queue(&work));
	EXPECT(irq_work_is_busy(&work));
	irq_enable();
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&work)));
	if (atomic_load(&this_cpu->self->tick.last) != watch)
		test_skip("the watch's tick came first");
	atomic_store(&go, true);
	join(thread);
}

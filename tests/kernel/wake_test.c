/*
 * Waking: that nobody sleeps on, and that RESCHEDULE is sent when it is needed and only
 * then.
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
#include <lib/errno.h>

static bool is_idle(unsigned int cpu)
{
	return *(struct thread *volatile *)&cpus[cpu]->current == cpus[cpu]->idle;
}

static uint32_t above(unsigned int cpu)
{
	return atomic_load_explicit(&cpus[cpu]->wake_above, memory_order_acquire);
}

/* In its idle loop, and others know how it is to be woken. */
static bool has_gone_idle(unsigned int cpu)
{
	return WAIT_UNTIL(is_idle(cpu) && above(cpu) == (polls() ? WAKE_POLLS : 0));
}

static int count_wakes(void *arg)
{
	atomic_uint *count = arg;

	do {
		thread_prepare_to_block();
		thread_block();
		atomic_fetch_add(count, 1);
	} while (atomic_load(count) < 3);
	return 0;
}

/* An idle CPU that halts is sent one RESCHEDULE for each wake-up; one that polls, none. */
TEST(wake, idle_cpu)
{
	unsigned int cpu = other_cpu(1);
	atomic_uint count = 0;
	struct thread *thread;

	if (lacks_cpus(2))
		return;
	thread = run_on(cpu, count_wakes, &count);
	for (unsigned int i = 1; thread && i <= 3; i++) {
		uint64_t sent, wakes;

		EXPECT(has_blocked(thread) && has_gone_idle(cpu));
		preempt_disable();
		sent = this_cpu->ipi_sent[RESCHEDULE_VECTOR];
		wakes = this_cpu->wakes[polls() ? WAKE_POLLED : WAKE_IPI];
		EXPECT_EQ(thread_wake(thread), 1);
		EXPECT_EQ(this_cpu->ipi_sent[RESCHEDULE_VECTOR] - sent, !polls());
		EXPECT_EQ(this_cpu->wakes[polls() ? WAKE_POLLED : WAKE_IPI] - wakes, 1);
		preempt_enable();
		EXPECT(WAIT_UNTIL(atomic_load(&count) == i));
	}
	join(thread);
}

static atomic_bool hold, holding;

static void wait_in_function(void *info)
{
	(void)info;
	atomic_store(&holding, true);
	while (atomic_load(&hold))
		cpu_relax();
	atomic_store(&holding, false);
}

static bool hold_cpu(unsigned int cpu)
{
	atomic_store(&hold, true);
	return !smp_call_function_single(cpu, wait_in_function, NULL, false) &&
	       WAIT_UNTIL(atomic_load(&holding));
}

static void release_cpu(void)
{
	atomic_store(&hold, false);
	WAIT_UNTIL(!atomic_load(&holding));
}

#define SLEEPERS 20

static unsigned int order[SLEEPERS];
static atomic_uint ordered;

static int note_order(void *number)
{
	thread_prepare_to_block();
	thread_block();
	order[atomic_fetch_add(&ordered, 1)] = *(unsigned int *)number;
	return 0;
}

/*
 * One IPI for all that are woken before it is taken. They begin in the order of waking; which
 * of them comes to its note first also depends on where a tick ends a slice.
 */
TEST(wake, many_by_one_ipi)
{
	unsigned int cpu = other_cpu(1), numbers[SLEEPERS], seen = 0;
	struct thread *threads[SLEEPERS];
	uint64_t ipis, others;

	if (lacks_cpus(2))
		return;
	atomic_store(&ordered, 0);
	for (unsigned int i = 0; i < SLEEPERS; i++) {
		numbers[i] = i;
		threads[i] = run_on(cpu, note_order, &numbers[i]);
		REQUIRE(threads[i] && has_blocked(threads[i]));
	}
	/* In the function the CPU is found as it was when it was interrupted: polling, or not. */
	REQUIRE(has_gone_idle(cpu) && hold_cpu(cpu));
	preempt_disable();
	ipis = this_cpu->wakes[WAKE_IPI];
	others = this_cpu->wakes[polls() ? WAKE_POLLED : WAKE_ON_ITS_WAY];
	for (unsigned int i = 0; i < SLEEPERS; i++)
		EXPECT_EQ(thread_wake(threads[i]), 1);
	EXPECT_EQ(this_cpu->wakes[WAKE_IPI] - ipis, !polls());
	EXPECT_EQ(this_cpu->wakes[polls() ? WAKE_POLLED : WAKE_ON_ITS_WAY] - others,
		  SLEEPERS - !polls());
	preempt_enable();
	EXPECT_EQ(atomic_load(&ordered), 0);
	release_cpu();
	for (unsigned int i = 0; i < SLEEPERS; i++)
		join(threads[i]);
	EXPECT_EQ(atomic_load(&ordered), SLEEPERS);
	for (unsigned int i = 0; i < SLEEPERS; i++)
		seen |= 1u << order[i];
	EXPECT_EQ(seen, (1u << SLEEPERS) - 1);
}

/* Threads that take turns need no IPI for one more; a real-time thread does. */
TEST(wake, fair_among_fair_can_wait)
{
	unsigned int cpu = other_cpu(1);
	struct thread *first, *second, *third;
	atomic_uint count = 0;
	atomic_bool go = false;
	uint64_t can_wait;

	if (lacks_cpus(2) || lacks_slices())
		return;
	third = run_on(cpu, count_wakes, &count);
	REQUIRE(third && has_blocked(third));
	first = run_on(cpu, spin_until, &go);
	second = run_on(cpu, spin_until, &go);
	EXPECT(WAIT_UNTIL(above(cpu) == PRIORITY_FAIR));
	preempt_disable();
	can_wait = this_cpu->wakes[WAKE_CAN_WAIT];
	EXPECT_EQ(thread_wake(third), 1);
	EXPECT_EQ(this_cpu->wakes[WAKE_CAN_WAIT] - can_wait, 1);
	preempt_enable();
	EXPECT(WAIT_UNTIL(atomic_load(&count) == 1));
	atomic_store(&go, true);
	join(first);
	join(second);
	for (unsigned int i = 2; i <= 3; i++) {
		EXPECT(has_blocked(third));
		EXPECT_EQ(thread_wake(third), 1);
		EXPECT(WAIT_UNTIL(atomic_load(&count) == i));
	}
	join(third);
}

/* A spinner that is alone has no tick: it must be interrupted even for its equals. */
TEST(wake, fair_behind_a_lone_spinner)
{
	unsigned int cpu = other_cpu(1);
	struct thread *spinner, *other;
	atomic_uint count = 0;
	atomic_bool go = false;

	if (lacks_cpus(2) || lacks_slices())
		return;
	spinner = run_on(cpu, spin_until, &go);
	EXPECT(WAIT_UNTIL(*(struct thread *volatile *)&cpus[cpu]->current == spinner &&
			  !*(volatile uint64_t *)&cpus[cpu]->tick.slice_at));
	other = run_on(cpu, add_one, &count);
	EXPECT(WAIT_UNTIL(atomic_load(&count) == 1));
	atomic_store(&go, true);
	join(spinner);
	join(other);
}

/* Equals of the real-time class do not interrupt each other, and nobody is forgotten. */
TEST(wake, equal_can_wait_until_the_other_ends)
{
	unsigned int cpu = other_cpu(1);
	struct thread *first, *equal, *fair;
	atomic_uint count = 0;
	atomic_bool go = false;
	uint64_t can_wait;

	if (lacks_cpus(2))
		return;
	first = make_rt(cpu, 3, spin_until, &go);
	equal = make_rt(cpu, 3, add_one, &count);
	REQUIRE(first && equal);
	thread_wake(first);
	EXPECT(WAIT_UNTIL(above(cpu) == PRIORITY_FAIR + 3));
	preempt_disable();
	can_wait = this_cpu->wakes[WAKE_CAN_WAIT];
	thread_wake(equal);
	fair = run_on(cpu, add_one, &count);
	EXPECT_EQ(this_cpu->wakes[WAKE_CAN_WAIT] - can_wait, 2);
	preempt_enable();
	EXPECT_EQ(atomic_load(&count), 0);
	atomic_store(&go, true);
	join(first);
	join(equal);
	join(fair);
	EXPECT_EQ(atomic_load(&count), 2);
}

static atomic_uint step;

/* Woken after it said that it blocks, and before it does. */
static int be_woken_in_between(void *unused)
{
	(void)unused;
	thread_prepare_to_block();
	atomic_store(&step, 1);
	while (atomic_load(&step) == 1)
		cpu_relax();
	thread_block();
	thread_prepare_to_block();
	atomic_store(&step, 3);
	while (atomic_load(&step) == 3)
		cpu_relax();
	thread_stay();
	return 0;
}

TEST(wake, between_the_look_and_the_sleep)
{
	struct thread *thread;

	if (lacks_cpus(2))
		return;
	atomic_store(&step, 0);
	thread = run_on(other_cpu(1), be_woken_in_between, NULL);
	REQUIRE(thread);
	for (unsigned int i = 1; i <= 3; i += 2) {
		REQUIRE(WAIT_UNTIL(atomic_load(&step) == i));
		EXPECT_EQ(thread_wake(thread), 1);
		EXPECT_EQ(thread_wake(thread), 0);
		atomic_store(&step, i + 1);
	}
	join(thread);
}

/* The same on one CPU: the waker is more urgent and comes exactly there. */
static int wake_first(void *thread)
{
	return thread_wake(*(struct thread **)thread);
}

static int wake_oneself_in_between(void *unused)
{
	struct thread *self = this_cpu->current, *waker;

	(void)unused;
	waker = make_rt(this_cpu->index, 1, wake_first, &self);
	thread_prepare_to_block();
	thread_wake(waker);
	thread_block();
	return join(waker);
}

TEST(wake, preempted_between_the_look_and_the_sleep)
{
	EXPECT_EQ(join(run_on(this_cpu->index, wake_oneself_in_between, NULL)), 1);
}

TEST(wake, thread_that_is_over)
{
	struct thread *thread = run_on(this_cpu->index, add_one, &ordered);

	join(thread);
	capture_start();
	EXPECT_EQ(thread_wake(thread), -ESRCH);
	capture_end();
	EXPECT(capture_has("WARNING: sched: wake-up of a thread that is over: ",
			   "wake_thread_that_is_over"));
}

TEST(wake, thread_that_runs_is_left_alone)
{
	atomic_bool go = false;
	struct thread *thread;

	EXPECT_EQ(thread_wake(this_cpu->current), 0);
	if (lacks_cpus(2))
		return;
	thread = run_on(other_cpu(1), spin_until, &go);
	REQUIRE(thread);
	EXPECT(WAIT_UNTIL(*(struct thread *volatile *)&cpus[other_cpu(1)]->current == thread));
	EXPECT_EQ(thread_wake(thread), 0);
	atomic_store(&go, true);
	join(thread);
}

/* Every idle CPU leaves its idle state once, by an IPI only where it halts. */
TEST(wake, all_idle_cpus)
{
	static uint64_t before[MAX_CPUS];
	unsigned int idle = 0, sent;

	for_each_cpu(cpu, &cpu_online_mask) {
		if (cpu == this_cpu->index)
			continue;
		EXPECT(has_gone_idle(cpu));
		idle++;
		before[cpu] = *(volatile uint64_t *)&cpus[cpu]->idle_rounds;
	}
	sent = wake_up_all_idle_cpus();
	EXPECT(sent <= idle && (!polls() || !sent));
	for_each_cpu(cpu, &cpu_online_mask) {
		if (cpu != this_cpu->index)
			EXPECT(WAIT_UNTIL(*(volatile uint64_t *)&cpus[cpu]->idle_rounds !=
					  before[cpu]));
	}
}

struct side {
	struct thread *other;
	atomic_uint turn; /* mine when it is odd */
	struct side *peer;
	bool begins;
};

/* CPUs that poll take an emulator's time away from those that play. */
static unsigned int rounds(void)
{
	return polls() && nr_cpus > 2 ? 20 : 100;
}

/* By nothing but the state of the threads: whoever is woken wakes the other. */
static int hit_the_ball(void *arg)
{
	struct side *side = arg;

	for (unsigned int round = 1; round <= rounds(); round++) {
		for (;;) {
			thread_prepare_to_block();
			if (atomic_load(&side->turn) & 1)
				break;
			thread_block();
		}
		thread_stay();
		atomic_fetch_add(&side->turn, 1);
		atomic_fetch_add(&side->peer->turn, 1);
		if (side->begins || round < rounds())
			thread_wake(side->other);
	}
	return 0;
}

static void play(unsigned int here, unsigned int there)
{
	struct side sides[2] = { { .peer = &sides[1], .begins = true }, { .peer = &sides[0] } };
	const struct thread_args args[2] = {
		{ .func = hit_the_ball, .arg = &sides[0], .pinned = true, .cpu = here },
		{ .func = hit_the_ball, .arg = &sides[1], .pinned = true, .cpu = there },
	};

	REQUIRE(!thread_create(&sides[1].other, &args[0]));
	REQUIRE(!thread_create(&sides[0].other, &args[1]));
	thread_wake(sides[0].other);
	atomic_fetch_add(&sides[0].turn, 1);
	thread_wake(sides[1].other);
	join(sides[1].other);
	join(sides[0].other);
}

/* A wake-up that is lost ends the game. */
TEST(wake, back_and_forth)
{
	play(this_cpu->index, this_cpu->index);
	if (other_cpu(1) == MAX_CPUS)
		return;
	play(this_cpu->index, other_cpu(1));
	play(other_cpu(1), other_cpu(1));
	if (other_cpu(2) < MAX_CPUS)
		play(other_cpu(1), other_cpu(2));
}

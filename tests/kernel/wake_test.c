/*
 * Waking: that nobody sleeps on.
 */
#include "capture.h"
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <arch/time.h>
#include <kernel/sched/idle.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>
#include <lib/string.h>

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

/* A thread that is left while it has still to look does not sleep: nobody has to wake it. */
static int look_after_being_preempted(void *unused)
{
	atomic_uint count = 0;
	struct thread *urgent = make_rt(this_cpu->index, 1, add_one, &count);

	(void)unused;
	thread_prepare_to_block();
	thread_wake(urgent);
	EXPECT_EQ(atomic_load(&count), 1);
	thread_stay();
	return join(urgent);
}

TEST(wake, preempted_before_the_look)
{
	EXPECT_EQ(join(run_on(this_cpu->index, look_after_being_preempted, NULL)), 0);
}

TEST(wake, thread_that_is_over)
{
	atomic_uint count = 0;
	struct thread *thread = run_on(this_cpu->index, add_one, &count);

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

struct side {
	struct thread *other;
	atomic_uint turn; /* mine when it is odd */
	struct side *peer;
	bool begins;
	atomic_bool done; /* it wakes nobody any more */
};

/* CPUs that poll take an emulator's time away from those that play. */
static unsigned int rounds(void)
{
	return strcmp(idle_mode(), "hlt") && nr_cpus > 2 ? 20 : 100;
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
	/* The other may find its last turn before it is woken for that: it must still be there then. */
	atomic_store(&side->done, true);
	while (!atomic_load(&side->peer->done))
		thread_yield();
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

/*
 * What the deferred shootdown promises beside what all do: it sends no IPI, and frees nothing before
 * the last CPU has flushed. Each tick in these tests is made by hand, but for the last one.
 */
#include "crew.h"
#include "mm.h"
#include "rival.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/mm.h>
#include <arch/time.h>
#include <kernel/mm/frames.h>
#include <kernel/sched/work.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/watch.h>
#include <kernel/time/sleep.h>
#include <kernel/time/tick.h>
#include <lib/errno.h>

#define TICK_NS 10000000ull

/* 1: the old page, as it was; 0: a fault. */
static void read_old(void *info)
{
	uint64_t value = 0;

	*(uint64_t *)info = get_user(&value, TEST_BASE) ? 0 : value;
}

static uint64_t old_on(unsigned int cpu)
{
	uint64_t value = 99;

	EXPECT_EQ(smp_call_function_single(cpu, read_old, &value, true), 0);
	return value;
}

/*
 * One CPU after the other ticks, this one last, as it is its own that puts the frame. Until its
 * tick each may still have the page as it was, if it has not forgotten it for reasons of its own;
 * so the frame is kept. Nobody is interrupted.
 */
static void tick_in_turn(unsigned int last)
{
	uint64_t free = frames_free(), sent = rival_sent();

	rival_unmap(&deferred_scheme, TEST_BASE, 1);
	for_each_cpu(cpu, &crew) {
		if (cpu == this_cpu->index || cpu == last)
			continue;
		EXPECT(old_on(cpu) <= 1);
		rival_tick(cpu);
		EXPECT_EQ(old_on(cpu), 0);
	}
	rival_tick(this_cpu->index);
	EXPECT_EQ(frames_free(), free);
	EXPECT(old_on(last) <= 1);
	rival_tick(last);
	EXPECT_EQ(frames_free(), free);
	rival_tick(this_cpu->index);
	EXPECT_EQ(frames_free(), free + 1);
	EXPECT_EQ(rival_sent(), sent);
	crew_expect_fault(TEST_BASE);
}

TEST(shootdown_scheme, deferred_waits_for_the_last_tick)
{
	if (lacks_cpus(2))
		return;
	REQUIRE(rival_begin(&deferred_scheme));
	for (unsigned int nth = 1; nth <= 2 && other_cpu(nth) < CREW_MAX; nth++) {
		rival_populate(TEST_BASE, 1, 1);
		tick_in_turn(other_cpu(nth));
	}
	rival_end();
}

/* Who leaves the rival_space has flushed for it: nobody ticks here but the one that unmapped. */
TEST(shootdown_scheme, deferred_needs_no_tick_of_who_leaves)
{
	uint64_t free, sent;

	REQUIRE(rival_begin(&deferred_scheme));
	rival_populate(TEST_BASE, 1, 1);
	free = frames_free();
	sent = rival_sent();
	rival_unmap(&deferred_scheme, TEST_BASE, 1);
	for_each_cpu(cpu, &crew) {
		EXPECT_EQ(frames_free(), free);
		if (cpu != this_cpu->index)
			crew_one_uses(cpu, NULL);
	}
	rival_tick(this_cpu->index);
	EXPECT_EQ(frames_free(), free + 1);
	EXPECT_EQ(rival_sent(), sent);
	rival_end();
}

/* What a list does not hold any more is a shootdown at once, which settles the rest, too. */
TEST(shootdown_scheme, deferred_overflow_is_a_shootdown)
{
	uint64_t free, sent, page;

	if (lacks_cpus(2))
		return;
	REQUIRE(rival_begin(&deferred_scheme));
	rival_populate(TEST_BASE, DEFERRED_MOST + 1, 1);
	free = frames_free();
	sent = rival_sent();
	for (page = 0; page < DEFERRED_MOST; page++)
		rival_unmap(&deferred_scheme, TEST_BASE + page * PAGE_SIZE, 1);
	EXPECT_EQ(frames_free(), free);
	EXPECT_EQ(rival_sent(), sent);
	rival_unmap(&deferred_scheme, TEST_BASE + page * PAGE_SIZE, 1);
	EXPECT_EQ(rival_sent() - sent, cpumask_weight(&crew) - 1);
	EXPECT_EQ(frames_free(), free + 1);
	crew_expect_no_pages(TEST_BASE, DEFERRED_MOST + 1);
	rival_tick(this_cpu->index);
	EXPECT_EQ(frames_free(), free + DEFERRED_MOST + 1);
	rival_end();
}

/* Tables that were freed may be walked by who idles on them: it has to tick as well. */
TEST(shootdown_scheme, deferred_tables_wait_for_who_idles)
{
	unsigned int idle = other_cpu(1);
	uint64_t free;

	if (lacks_cpus(2))
		return;
	REQUIRE(rival_begin_few(&deferred_scheme));
	rival_populate(TEST_BASE + GB, 1, 1);
	crew_one_uses(idle, NULL);
	free = frames_free();
	rival_unmap(&deferred_scheme, TEST_BASE + GB, 1);
	for_each_cpu(cpu, &crew) {
		if (cpu != idle && cpu != this_cpu->index)
			rival_tick(cpu);
	}
	rival_tick(this_cpu->index);
	EXPECT_EQ(frames_free(), free);
	EXPECT(atomic_load(&cpus[idle]->tlb.loaded) == rival_space);
	rival_tick(idle);
	EXPECT(atomic_load(&cpus[idle]->tlb.loaded) != rival_space);
	rival_tick(this_cpu->index);
	EXPECT(frames_free() > free + 1);
	rival_end();
}

/*
 * A CPU that has missed what another one deferred, and whose own list is full: its shootdown must
 * not answer for what it has not flushed.
 */
#define MISSED (TEST_BASE + DEFERRED_MOST * PAGE_SIZE)

static void overflow_behind(void *info)
{
	atomic_uint *step = info;
	uint64_t value;

	aspace_use(rival_space);
	EXPECT_EQ(get_user(&value, MISSED), 0);
	for (uint64_t page = 1; page < DEFERRED_MOST; page++)
		rival_unmap(&deferred_scheme, TEST_BASE + page * PAGE_SIZE, 1);
	rival_unmap(&deferred_scheme, MISSED + PAGE_SIZE, 1);
	atomic_store(step, 1);
	EXPECT(WAIT_UNTIL(atomic_load(step) == 2));
	get_user(&value, MISSED); /* there, or a fault: it may have forgotten the page */
	rival_unmap(&deferred_scheme, TEST_BASE, 1);
	EXPECT(get_user(&value, MISSED));
	aspace_use(NULL);
}

TEST(shootdown_scheme, deferred_overflow_of_who_is_behind)
{
	unsigned int cpu = other_cpu(1);
	atomic_uint step = 0;

	if (lacks_cpus(2))
		return;
	REQUIRE(rival_begin_few(&deferred_scheme));
	rival_populate(TEST_BASE, DEFERRED_MOST + 2, 1);
	EXPECT_EQ(work_start(cpu, overflow_behind, &step), 0);
	EXPECT(WAIT_UNTIL(atomic_load(&step) == 1));
	rival_unmap(&deferred_scheme, MISSED, 1);
	atomic_store(&step, 2);
	work_wait(cpu);
	rival_settle(&deferred_scheme);
	crew_use(rival_space);
	crew_expect_no_pages(TEST_BASE, DEFERRED_MOST + 2);
	rival_end();
}

/* Each list in turn finds no memory; then there are none. */
TEST(shootdown_scheme, deferred_out_of_memory)
{
	unsigned int lists = cpumask_weight(&cpu_online_mask);
	uint64_t free = frames_free();

	for (unsigned int nth = 1; nth <= lists && nth <= 4; nth++) {
		frames_fail_at(nth);
		EXPECT_EQ(shootdown_scheme_use(&deferred_scheme), -ENOMEM);
		frames_fail_at(0);
		EXPECT_EQ(frames_free(), free);
	}
}

/* The scheme is not left while it has something to do; then it is. */
TEST(shootdown_scheme, deferred_is_not_left_behind)
{
	if (lacks_cpus(2))
		return;
	REQUIRE(rival_begin(&deferred_scheme));
	rival_populate(TEST_BASE, 1, 1);
	rival_unmap(&deferred_scheme, TEST_BASE, 1);
	EXPECT_EQ(shootdown_scheme_use(NULL), -EBUSY);
	rival_settle(&deferred_scheme);
	rival_end();
}

static bool are_free(uint64_t frames)
{
	sleep_ns(TICK_NS);
	return frames_free() == frames;
}

/* The real ticks do it, without anybody who asks. */
TEST(shootdown_scheme, deferred_by_the_ticks)
{
	uint64_t free, sent;

	if (lacks_tick())
		return;
	REQUIRE(rival_begin(&deferred_scheme));
	rival_populate(TEST_BASE, 10, 1);
	free = frames_free();
	sent = rival_sent();
	rival_unmap(&deferred_scheme, TEST_BASE, 10);
	tick_set_period(TICK_NS);
	tick_resume();
	EXPECT(WAIT_UNTIL(are_free(free + 10)));
	tick_suspend();
	EXPECT_EQ(rival_sent(), sent);
	crew_expect_no_pages(TEST_BASE, 10);
	watch_set_deadline_ns(0);
	rival_end();
}

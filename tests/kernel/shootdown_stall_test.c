/*
 * The rivals of shootdown when a CPU does not come: who waits says for whom, and what was deferred
 * is brought to an end.
 */
#include "capture.h"
#include "crew.h"
#include "mm.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/time.h>
#include <kernel/mm/frames.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/stop.h>
#include <kernel/smp/watch.h>
#include <kernel/time/sleep.h>
#include <kernel/time/tick.h>
#include <lib/errno.h>
#include <tests/schemes/shootdown.h>

/* Who reports is fixed: nobody ticks but by the test. */
static struct aspace *begin(const struct shootdown_scheme *scheme)
{
	struct aspace *space;

	watch_set_deadline_ns(short_deadline_ns());
	tick_suspend();
	EXPECT_EQ(shootdown_scheme_use(scheme), 0);
	space = crew_begin_few();
	if (!space)
		return NULL;
	EXPECT_EQ(aspace_populate(space, TEST_BASE, 8 * PAGE_SIZE, 1, MAP_WRITE), 0);
	crew_expect(TEST_BASE, 0);
	capture_start();
	return space;
}

static void end(struct aspace *space)
{
	crew_end(space);
	EXPECT_EQ(shootdown_scheme_use(NULL), 0);
	tick_resume();
	watch_set_deadline_ns(0);
}

TEST(shootdown_scheme, broadcast_to_a_deaf_cpu)
{
	unsigned int cpu = other_cpu(1);
	struct aspace *space;

	if (lacks_cpus(2))
		return;
	space = begin(&broadcast_scheme);
	REQUIRE(space);
	EXPECT(make_deaf(cpu, text("  on CPU %u", cpu)));
	EXPECT_EQ(shootdown_unmap(&broadcast_scheme, space, TEST_BASE, PAGE_SIZE), 0);
	capture_end();
	crew_expect_fault(TEST_BASE);
	end(space);
	EXPECT(capture_has(text("STALL: CPU %u waits ", this_cpu->index), "called by broadcast\n",
			   text("on CPU %u the IPI is pending (IRR), interrupts off", cpu),
			   "STALL over"));
}

static void tick(void *info)
{
	(void)info;
	deferred_tick();
}

static void tick_here(void)
{
	EXPECT_EQ(smp_call_function_single(this_cpu->index, tick, NULL, true), 0);
}

static bool is_free_after_a_tick(uint64_t frames)
{
	tick_here();
	return frames_free() == frames;
}

/* The others do not tick. The one that unmapped does, and has patience until the deadline. */
TEST(shootdown_scheme, deferred_tells_who_does_not_tick)
{
	unsigned int cpu = other_cpu(1);
	struct aspace *space;
	uint64_t flushes, free;

	if (lacks_cpus(2))
		return;
	space = begin(&deferred_scheme);
	REQUIRE(space);
	flushes = crew_flushes(cpu);
	free = frames_free();
	EXPECT_EQ(shootdown_unmap(&deferred_scheme, space, TEST_BASE, PAGE_SIZE), 0);
	sleep_ns(short_deadline_ns() + 1000000);
	EXPECT_EQ(crew_flushes(cpu), flushes);
	EXPECT_EQ(frames_free(), free);
	EXPECT(WAIT_UNTIL(is_free_after_a_tick(free + 1)));
	EXPECT(crew_flushes(cpu) > flushes);
	capture_end();
	crew_expect_fault(TEST_BASE);
	end(space);
	EXPECT(capture_has(text("STALL: CPU %u has not ticked for ", cpu),
			   text("since CPU %u unmapped: it is told\n", this_cpu->index)));
}

/* Nobody ticks at all. */
TEST(shootdown_scheme, deferred_settles_without_ticks)
{
	unsigned int cpu = other_cpu(1);
	struct aspace *space;
	uint64_t free;

	if (lacks_cpus(2))
		return;
	space = begin(&deferred_scheme);
	REQUIRE(space);
	crew_use(NULL);
	crew_one_uses(cpu, space);
	free = frames_free();
	EXPECT_EQ(shootdown_unmap(&deferred_scheme, space, TEST_BASE, 3 * PAGE_SIZE), 0);
	EXPECT_EQ(shootdown_settle(&deferred_scheme, space), 0);
	capture_end();
	EXPECT_EQ(frames_free(), free + 3);
	crew_use(space);
	crew_expect_no_pages(TEST_BASE, 3);
	end(space);
	EXPECT(capture_has(text("STALL: CPU %u waits ", this_cpu->index),
			   text("for CPU %u: shootdown_settle(all pages)", cpu),
			   text("TLB_FLUSH is sent to CPU %u again", cpu),
			   text("STALL over: CPU %u flushed", cpu)));
}

/* A CPU that is stopped for good uses nothing any more: no way of shootdown waits for it. */
static void stop_one(const struct shootdown_scheme *scheme)
{
	unsigned int cpu = other_cpu(1);
	struct aspace *space = begin(scheme);
	struct cpumask one = { 0 };

	REQUIRE(space);
	capture_end();
	EXPECT_EQ(shootdown_unmap(scheme, space, TEST_BASE + PAGE_SIZE, PAGE_SIZE), 0);
	cpumask_set(&one, cpu);
	smp_stop_cpus(&one);
	cpumask_clear(&crew, cpu);
	EXPECT_EQ(shootdown_unmap(scheme, space, TEST_BASE, PAGE_SIZE), 0);
	EXPECT_EQ(on_each_cpu(tick, NULL, true), 0);
	EXPECT_EQ(shootdown_settle(scheme, space), 0);
	crew_expect_no_pages(TEST_BASE, 2);
	crew_use(NULL);
	EXPECT_EQ(shootdown_scheme_use(NULL), 0);
	tick_resume();
}

TEST(deliberate, rivals_after_a_stop)
{
	for (const struct shootdown_scheme *const *scheme = shootdown_schemes; *scheme; scheme++)
		stop_one(*scheme);
}

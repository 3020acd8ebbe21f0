/*
 * What holds for every way of shootdown, the kernel's among them: after it says so, no CPU sees
 * what was there before.
 */
#include "capture.h"
#include "crew.h"
#include "mm.h"
#include "rival.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/mm.h>
#include <arch/mmu.h>
#include <kernel/mm/frames.h>
#include <kernel/sched/work.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>

static void with_each(void (*try)(const struct shootdown_scheme *scheme))
{
	for (const struct shootdown_scheme *const *scheme = shootdown_schemes; *scheme; scheme++) {
		REQUIRE(rival_begin(*scheme));
		try(*scheme);
		rival_end();
	}
}

static void see_unmaps(const struct shootdown_scheme *scheme)
{
	for (uint64_t round = 1; round <= 5; round++) {
		uint64_t free = frames_free();

		rival_populate(TEST_BASE, 1, round * 100);
		rival_unmap(scheme, TEST_BASE, 1);
		rival_settle(scheme);
		EXPECT_EQ(frames_free(), free);
		crew_expect_fault(TEST_BASE);
	}
}

TEST(shootdown_scheme, unmap_is_seen)
{
	with_each(see_unmaps);
}

/* Of every length around the threshold, with a page at either side that must stay. */
static void unmap_ranges(const struct shootdown_scheme *scheme)
{
	uint64_t lengths[] = { 1, 2, tlb_full, tlb_full + 1, SHOOTDOWN_MOST };

	for (unsigned int i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint64_t count = lengths[i], from = TEST_BASE + PAGE_SIZE;

		if (count > SHOOTDOWN_MOST)
			continue;
		rival_populate(TEST_BASE, count + 2, 1000 * i);
		rival_unmap(scheme, from, count);
		rival_settle(scheme);
		crew_expect_no_pages(from, count);
		crew_expect(TEST_BASE, 1000 * i);
		crew_expect(from + count * PAGE_SIZE, 1000 * i + count + 1);
		rival_unmap(scheme, TEST_BASE, 1);
		rival_unmap(scheme, from + count * PAGE_SIZE, 1);
		rival_settle(scheme);
	}
}

TEST(shootdown_scheme, ranges_have_both_ends)
{
	with_each(unmap_ranges);
}

/* The table goes with its only page; half of the CPUs idle on it. */
static void free_tables(const struct shootdown_scheme *scheme)
{
	uint64_t tables = rival_space->tables;

	for (uint64_t round = 1; round <= 3; round++) {
		rival_populate(TEST_BASE + GB, 1, round);
		EXPECT(rival_space->tables > tables);
		for_each_cpu(cpu, &crew) {
			if (cpu % 2 && cpu != this_cpu->index)
				crew_one_uses(cpu, NULL);
		}
		rival_unmap(scheme, TEST_BASE + GB, 1);
		rival_settle(scheme);
		EXPECT_EQ(rival_space->tables, tables);
		crew_use(rival_space);
		rival_populate(TEST_BASE + 2 * GB, 1, round + 1);
		crew_expect_fault(TEST_BASE + GB);
		rival_unmap(scheme, TEST_BASE + 2 * GB, 1);
		rival_settle(scheme);
	}
}

TEST(shootdown_scheme, tables_go_and_come)
{
	with_each(free_tables);
}

static void be_away(const struct shootdown_scheme *scheme)
{
	struct aspace *other = aspace_create();

	REQUIRE(other);
	rival_populate(TEST_BASE, 4, 1);
	for (uint64_t round = 0; round < 4; round++) {
		uint64_t at = TEST_BASE + round * PAGE_SIZE;

		crew_expect(at, 1 + round);
		crew_use(round % 2 ? other : NULL);
		aspace_use(rival_space);
		rival_unmap(scheme, at, 1);
		crew_use(rival_space);
		/* Nobody ticked: the others have caught up by coming back. */
		crew_expect_fault(at);
		rival_settle(scheme);
	}
	EXPECT_EQ(aspace_destroy(other), 0);
}

TEST(shootdown_scheme, who_was_away_catches_up)
{
	with_each(be_away);
}

/* The pages of one worker, who unmaps all of them, one at a time, each at an address of its own. */
#define WORKER_PAGES 4
#define WORKERS      3 /* they spin, and cores may be few */

static const struct shootdown_scheme *tried;

static void unmap_many(void *info)
{
	uint64_t base = TEST_BASE + (uint64_t)info * WORKER_PAGES * PAGE_SIZE, seen;

	aspace_use(rival_space);
	for (uint64_t page = 0; page < WORKER_PAGES; page++) {
		uint64_t at = base + page * PAGE_SIZE;

		EXPECT_EQ(aspace_populate(rival_space, at, PAGE_SIZE, 1, MAP_WRITE), 0);
		EXPECT_EQ(put_user(at, at), 0);
		EXPECT(!get_user(&seen, at) && seen == at);
		EXPECT_EQ(shootdown_unmap(tried, rival_space, at, PAGE_SIZE), 0);
		EXPECT(get_user(&seen, at));
	}
	aspace_use(NULL);
}

static void unmap_together(const struct shootdown_scheme *scheme)
{
	uint64_t free = frames_free(), workers = 1;

	tried = scheme;
	for_each_cpu(cpu, &cpu_online_mask) {
		if (cpu != this_cpu->index && workers < WORKERS)
			EXPECT_EQ(work_start(cpu, unmap_many, (void *)workers++), 0);
	}
	unmap_many(NULL);
	for_each_cpu(cpu, &cpu_online_mask)
		work_wait(cpu);
	aspace_use(rival_space);
	rival_settle(scheme);
	EXPECT_EQ(frames_free(), free);
	crew_expect_no_pages(TEST_BASE, workers * WORKER_PAGES);
}

TEST(shootdown_scheme, many_at_once)
{
	for (const struct shootdown_scheme *const *scheme = shootdown_schemes; *scheme; scheme++) {
		REQUIRE(rival_begin_few(*scheme));
		unmap_together(*scheme);
		rival_end();
	}
}

static void call_badly(const struct shootdown_scheme *scheme)
{
	const struct shootdown_scheme *other = scheme == &targeted_scheme ? &broadcast_scheme :
									    &targeted_scheme;
	uint64_t digest, length = PAGE_SIZE;

	rival_populate(TEST_BASE, SHOOTDOWN_MOST + 1, 1);
	digest = space_digest(rival_space);
	EXPECT_EQ(shootdown_unmap(NULL, rival_space, TEST_BASE, length), -EINVAL);
	EXPECT_EQ(shootdown_unmap(other, rival_space, TEST_BASE, length), -EINVAL);
	EXPECT_EQ(shootdown_unmap(scheme, NULL, TEST_BASE, length), -EINVAL);
	EXPECT_EQ(shootdown_unmap(scheme, &kernel_aspace, VMAP_START, length), -EINVAL);
	EXPECT_EQ(shootdown_unmap(scheme, rival_space, TEST_BASE + 1, length), -EINVAL);
	EXPECT_EQ(shootdown_unmap(scheme, rival_space, TEST_BASE, 0), -EINVAL);
	EXPECT_EQ(shootdown_unmap(scheme, rival_space, USER_END - PAGE_SIZE, 2 * length), -EINVAL);
	EXPECT_EQ(shootdown_unmap(scheme, rival_space, TEST_BASE, (SHOOTDOWN_MOST + 1) * length),
		  -EINVAL);
	EXPECT_EQ(shootdown_unmap(scheme, rival_space, TEST_BASE - PAGE_SIZE, 2 * length), -ENOENT);
	irq_disable();
	EXPECT_EQ(shootdown_unmap(scheme, rival_space, TEST_BASE, length), -EDEADLK);
	irq_enable();
	EXPECT_EQ(shootdown_settle(other, rival_space), -EINVAL);
	EXPECT_EQ(shootdown_settle(scheme, NULL), -EINVAL);
	EXPECT_EQ(space_digest(rival_space), digest);
	crew_expect_pages(TEST_BASE, SHOOTDOWN_MOST + 1, 1);
}

/* Changing a space with interrupts off is warned of, too, once for each place. */
TEST(shootdown_scheme, wrong_arguments)
{
	capture_start();
	with_each(call_badly);
	capture_end();
}

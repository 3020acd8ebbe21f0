/*
 * Copy-on-write: who writes first gets a copy, the last one writes to what there is, and no CPU
 * sees the page of before.
 */
#include "crew.h"
#include "mm.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/mmu.h>
#include <arch/time.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/page_fault.h>
#include <kernel/smp/cpu.h>
#include <kernel/sched/work.h>
#include <lib/errno.h>

static uint64_t phys_at(struct aspace *space, uint64_t virt)
{
	struct aspace_page page;

	return aspace_walk(space, virt, &page) ? 0 : page.phys + (virt - page.virt);
}

static enum map_flags flags_at(struct aspace *space, uint64_t virt)
{
	struct aspace_page page;

	return aspace_walk(space, virt, &page) ? 0 : page.flags;
}

TEST(cow, first_writer_gets_a_copy)
{
	struct aspace *parent = crew_begin(), *child;
	uint64_t phys;

	REQUIRE(parent);
	EXPECT_EQ(aspace_populate(parent, TEST_BASE, 2 * PAGE_SIZE, 1, MAP_WRITE), 0);
	crew_fill(TEST_BASE, 2, 10);
	crew_expect_pages(TEST_BASE, 2, 10);
	phys = phys_at(parent, TEST_BASE);
	REQUIRE(!aspace_clone(parent, &child));
	EXPECT_EQ(frame_refs(phys), 2);
	EXPECT_EQ(flags_at(parent, TEST_BASE), MAP_USER | MAP_COW);
	EXPECT_EQ(flags_at(child, TEST_BASE), MAP_USER | MAP_COW);
	/* In a handler no fault is served: nobody can write, however it remembers the page. */
	crew_expect_read_only(TEST_BASE, 10);
	set_user_word(TEST_BASE, 11);
	EXPECT(phys_at(parent, TEST_BASE) != phys);
	EXPECT_EQ(frame_refs(phys), 1);
	EXPECT_EQ(flags_at(parent, TEST_BASE), MAP_USER | MAP_WRITE);
	crew_expect(TEST_BASE, 11);
	crew_use(child);
	crew_expect_pages(TEST_BASE, 2, 10);
	/* The last owner needs no copy. */
	set_user_word(TEST_BASE, 12);
	EXPECT_EQ(phys_at(child, TEST_BASE), phys);
	EXPECT_EQ(flags_at(child, TEST_BASE), MAP_USER | MAP_WRITE);
	crew_expect(TEST_BASE, 12);
	crew_use(parent);
	crew_expect_pages(TEST_BASE + PAGE_SIZE, 1, 11);
	EXPECT_EQ(aspace_destroy(child), 0);
	crew_end(parent);
}

TEST(cow, what_is_read_only_stays_so)
{
	struct aspace *parent = crew_begin(), *child;

	REQUIRE(parent);
	EXPECT_EQ(aspace_populate(parent, TEST_BASE, PAGE_SIZE, 1, 0), 0);
	REQUIRE(!aspace_clone(parent, &child));
	EXPECT_EQ(put_user(1, TEST_BASE), -EFAULT);
	EXPECT_EQ(flags_at(child, TEST_BASE), MAP_USER);
	/* Made writable while it is shared: by a copy. */
	EXPECT_EQ(aspace_protect(parent, TEST_BASE, PAGE_SIZE, MAP_WRITE), 0);
	EXPECT_EQ(flags_at(parent, TEST_BASE), MAP_USER | MAP_COW);
	set_user_word(TEST_BASE, 5);
	crew_expect(TEST_BASE, 5);
	crew_use(child);
	crew_expect_read_only(TEST_BASE, 0);
	crew_use(parent);
	EXPECT_EQ(aspace_destroy(child), 0);
	crew_end(parent);
}

/* The same entries lead there, but nothing of the space is. */
TEST(cow, an_address_that_cannot_be_copies_nothing)
{
	struct aspace *parent = crew_begin(), *child;

	REQUIRE(parent);
	EXPECT_EQ(aspace_populate(parent, TEST_BASE, PAGE_SIZE, 1, MAP_WRITE), 0);
	REQUIRE(!aspace_clone(parent, &child));
	EXPECT_EQ(aspace_fault(parent, TEST_BASE | 1ul << 48, MAP_WRITE), -EFAULT);
	EXPECT_EQ(flags_at(parent, TEST_BASE), MAP_USER | MAP_COW);
	EXPECT_EQ(phys_at(parent, TEST_BASE), phys_at(child, TEST_BASE));
	EXPECT_EQ(aspace_destroy(child), 0);
	crew_end(parent);
}

TEST(cow, foreign_memory_stays_shared)
{
	uint64_t phys = frame_alloc();
	struct aspace *parent = crew_begin(), *child;

	REQUIRE(phys && parent);
	EXPECT_EQ(aspace_map(parent, TEST_BASE, phys, PAGE_SIZE, 1, MAP_FOREIGN | MAP_WRITE), 0);
	REQUIRE(!aspace_clone(parent, &child));
	set_user_word(TEST_BASE, 9);
	EXPECT_EQ(*(uint64_t *)phys_to_virt(phys), 9);
	crew_use(child);
	crew_expect(TEST_BASE, 9);
	crew_use(parent);
	EXPECT_EQ(aspace_destroy(child), 0);
	crew_end(parent);
	frame_free(phys);
}

/* Of a large page only what is written is copied. */
TEST(cow, large_pages)
{
	struct aspace *parent = crew_begin(), *child;
	struct aspace_page page;
	uint64_t phys;

	REQUIRE(parent);
	EXPECT_EQ(aspace_populate(parent, TEST_BASE, 2 * MB, 2, MAP_WRITE), 0);
	crew_fill(TEST_BASE, 512, 100);
	crew_expect_pages(TEST_BASE, 512, 100);
	phys = phys_at(parent, TEST_BASE);
	REQUIRE(!aspace_clone(parent, &child));
	set_user_word(TEST_BASE + MB, 1);
	EXPECT_EQ(phys_at(parent, TEST_BASE), phys);
	EXPECT(phys_at(parent, TEST_BASE + MB) != phys + MB);
	crew_expect(TEST_BASE + MB, 1);
	crew_expect_pages(TEST_BASE, 256, 100);
	crew_use(child);
	crew_expect_pages(TEST_BASE, 512, 100);
	crew_use(parent);
	EXPECT_EQ(aspace_destroy(child), 0);
	/* Alone again: written in place, in one piece. */
	REQUIRE(!aspace_populate(parent, TEST_BASE + GB, 2 * MB, 2, MAP_WRITE));
	phys = phys_at(parent, TEST_BASE + GB);
	REQUIRE(!aspace_clone(parent, &child));
	EXPECT_EQ(aspace_destroy(child), 0);
	set_user_word(TEST_BASE + GB + 8, 3);
	EXPECT_EQ(aspace_walk(parent, TEST_BASE + GB, &page), 0);
	EXPECT_EQ(page.level, 2);
	EXPECT_EQ(page.phys, phys);
	EXPECT_EQ(page.flags, MAP_USER | MAP_WRITE);
	crew_end(parent);
}

#define MIDDLE (TEST_BASE + GB / 2 + MB) /* inside of a 2 MB page, too */

/* What is before and behind stays, as one page of each size as far as it goes. */
static void expect_cut(struct aspace *space, uint64_t phys)
{
	struct aspace_page page;

	EXPECT_EQ(space->tables, 3);
	EXPECT_EQ(aspace_walk(space, TEST_BASE + GB - 1, &page), 0);
	EXPECT_EQ(page.level, 2);
	EXPECT_EQ(page.phys, phys + GB - 2 * MB);
	crew_expect(MIDDLE - PAGE_SIZE, 10);
	crew_expect(MIDDLE + PAGE_SIZE, 12);
}

/* Of 1 GB, which all remember: one page is copied, another one taken out. */
static void cut_in_both(struct aspace *parent, struct aspace *child, uint64_t phys)
{
	set_user_word(MIDDLE, 1);
	EXPECT(phys_at(parent, MIDDLE) != phys + (MIDDLE - TEST_BASE));
	expect_cut(parent, phys);
	crew_expect(MIDDLE, 1);
	crew_use(child);
	EXPECT_EQ(child->tables, 1);
	crew_expect_pages(MIDDLE - PAGE_SIZE, 3, 10);
	EXPECT_EQ(aspace_protect(child, MIDDLE, PAGE_SIZE, 0), 0);
	crew_expect_read_only(MIDDLE, 11);
	expect_cut(child, phys);
	EXPECT_EQ(aspace_unmap(child, MIDDLE, PAGE_SIZE), 0);
	crew_expect_fault(MIDDLE);
	expect_cut(child, phys);
	crew_use(parent);
	crew_expect(MIDDLE, 1);
}

/* What was in its memory before is anybody's: to clear or poison that much takes its time. */
TEST(cow, pages_of_1_gb)
{
	struct aspace *parent, *child;
	uint64_t phys;

	if (!mmu_has_1gb || frames_free() < 3 * GB / PAGE_SIZE) {
		test_skip("needs 1 GB pages and 3 GB of memory");
		return;
	}
	parent = crew_begin();
	REQUIRE(parent);
	frames_poison(false);
	phys = page_alloc(3);
	if (!phys) {
		crew_end(parent);
		test_skip("no 1 GB is free in one piece");
		return;
	}
	EXPECT_EQ(aspace_map(parent, TEST_BASE, phys, GB, 3, MAP_WRITE), 0);
	page_put(phys, 3);
	crew_fill(MIDDLE - PAGE_SIZE, 3, 10);
	crew_expect_pages(MIDDLE - PAGE_SIZE, 3, 10);
	REQUIRE(!aspace_clone(parent, &child));
	crew_expect_read_only(MIDDLE, 11);
	cut_in_both(parent, child, phys);
	EXPECT_EQ(aspace_destroy(child), 0);
	crew_end(parent);
}

/* One of three: copies are made until one is left, which takes the frame. */
TEST(cow, many_owners)
{
	struct aspace *spaces[5] = { crew_begin() };
	uint64_t phys;

	REQUIRE(spaces[0]);
	EXPECT_EQ(aspace_populate(spaces[0], TEST_BASE, PAGE_SIZE, 1, MAP_WRITE), 0);
	set_user_word(TEST_BASE, 1);
	phys = phys_at(spaces[0], TEST_BASE);
	for (unsigned int i = 1; i < 5; i++)
		REQUIRE(!aspace_clone(spaces[i - 1], &spaces[i]));
	EXPECT_EQ(frame_refs(phys), 5);
	for (unsigned int i = 0; i < 5; i++) {
		crew_use(spaces[i]);
		crew_expect_read_only(TEST_BASE, 1);
		set_user_word(TEST_BASE, 10 + i);
		crew_expect(TEST_BASE, 10 + i);
	}
	EXPECT_EQ(phys_at(spaces[4], TEST_BASE), phys);
	crew_use(spaces[0]);
	crew_expect(TEST_BASE, 10);
	for (unsigned int i = 1; i < 5; i++)
		EXPECT_EQ(aspace_destroy(spaces[i]), 0);
	crew_end(spaces[0]);
}

/* All write to one page at once, each its own word: one copy, in which all words are. */
static atomic_uint ready, writers;

static void write_own_word(void *info)
{
	aspace_use(info);
	atomic_fetch_add(&ready, 1);
	WAIT_UNTIL(atomic_load(&ready) >= atomic_load(&writers));
	EXPECT_EQ(put_user(this_cpu->index + 1, TEST_BASE + 8 * (this_cpu->index % 512)), 0);
}

static void all_write(struct aspace *space)
{
	atomic_store(&ready, 0);
	atomic_store(&writers, cpumask_weight(&crew));
	for_each_cpu(cpu, &crew) {
		if (cpu != this_cpu->index)
			EXPECT_EQ(work_start(cpu, write_own_word, space), 0);
	}
	write_own_word(space);
	for_each_cpu(cpu, &crew)
		work_wait(cpu);
	for_each_cpu(cpu, &crew)
		EXPECT_EQ(user_word(TEST_BASE + 8 * (cpu % 512)), cpu + 1);
}

TEST(cow, cpus_fault_on_one_page)
{
	struct aspace *parent = crew_begin_few();

	REQUIRE(parent);
	EXPECT_EQ(aspace_populate(parent, TEST_BASE, PAGE_SIZE, 1, MAP_WRITE), 0);
	for (unsigned int round = 0; round < 10; round++) {
		uint64_t free, phys = phys_at(parent, TEST_BASE);
		struct aspace *child;

		REQUIRE(!aspace_clone(parent, &child));
		free = frames_free();
		all_write(parent);
		EXPECT_EQ(frames_free(), free - 1);
		EXPECT_EQ(phys_at(child, TEST_BASE), phys);
		EXPECT_EQ(frame_refs(phys), 1);
		EXPECT_EQ(aspace_destroy(child), 0);
	}
	crew_end(parent);
}

/* Parent and child fault on the same frame at once: each ends up with its own. */
struct pair {
	struct aspace *space;
	uint64_t value;
};

static void write_in_space(void *info)
{
	const struct pair *pair = info;

	aspace_use(pair->space);
	atomic_fetch_add(&ready, 1);
	WAIT_UNTIL(atomic_load(&ready) == 2);
	EXPECT_EQ(put_user(pair->value, TEST_BASE), 0);
	EXPECT_EQ(user_word(TEST_BASE), pair->value);
	EXPECT_EQ(user_word(TEST_BASE + 8), 77);
}

TEST(cow, both_owners_fault_at_once)
{
	struct aspace *parent, *child;

	if (lacks_cpus(2))
		return;
	parent = crew_begin();
	REQUIRE(parent);
	EXPECT_EQ(aspace_populate(parent, TEST_BASE, PAGE_SIZE, 1, MAP_WRITE), 0);
	set_user_word(TEST_BASE + 8, 77);
	for (uint64_t round = 1; round <= 20; round++) {
		struct pair one, other;

		REQUIRE(!aspace_clone(parent, &child));
		one = (struct pair){ parent, 2 * round };
		other = (struct pair){ child, 2 * round + 1 };
		atomic_store(&ready, 0);
		EXPECT_EQ(work_start(other_cpu(1), write_in_space, &other), 0);
		write_in_space(&one);
		work_wait(other_cpu(1));
		EXPECT(phys_at(parent, TEST_BASE) != phys_at(child, TEST_BASE));
		EXPECT_EQ(user_word(TEST_BASE), 2 * round);
		crew_one_uses(other_cpu(1), NULL);
		EXPECT_EQ(aspace_destroy(child), 0);
	}
	crew_end(parent);
}

struct cloning {
	struct aspace *from, *to;
};

static int clone(void *info)
{
	struct cloning *cloning = info;

	return aspace_clone(cloning->from, &cloning->to);
}

static int write_one(void *info)
{
	struct aspace *space = info;

	return aspace_fault(space, TEST_BASE + 4 * GB + MB, MAP_WRITE);
}

/* Also the copy itself, and the split before it. */
TEST(cow, out_of_frames_anywhere)
{
	struct aspace *parent = crew_begin();
	struct cloning cloning = { .from = parent };

	REQUIRE(parent);
	EXPECT_EQ(aspace_populate(parent, TEST_BASE, 4 * PAGE_SIZE, 1, MAP_WRITE), 0);
	EXPECT_EQ(aspace_populate(parent, TEST_BASE + 4 * GB, 2 * MB, 2, MAP_WRITE), 0);
	aspace_use(parent);
	fail_each_allocation(parent, clone, &cloning);
	REQUIRE(cloning.to);
	frames_fail_at(1);
	EXPECT_EQ(put_user(1, TEST_BASE), -EFAULT);
	frames_fail_at(0);
	EXPECT_EQ(put_user(1, TEST_BASE), 0);
	fail_each_allocation(parent, write_one, parent);
	EXPECT_EQ(flags_at(parent, TEST_BASE + 4 * GB + MB), MAP_USER | MAP_WRITE);
	EXPECT_EQ(aspace_destroy(cloning.to), 0);
	crew_end(parent);
}

/*
 * Address spaces on one CPU: what is mapped is what is there, and what is taken apart comes
 * back.
 */
#include "mm.h"
#include "space.h"
#include "test.h"
#include <arch/mmu.h>
#include <kernel/mm/frames.h>
#include <lib/errno.h>

static bool faults(uint64_t address)
{
	uint64_t value;

	return get_user(&value, address) == -EFAULT;
}

static bool is_read_only(uint64_t address)
{
	return !faults(address) && put_user(1, address) == -EFAULT;
}

TEST(space, create_and_destroy)
{
	REQUIRE(space_begin());
	EXPECT_EQ(aspace_current() == space, true);
	EXPECT_EQ(aspace_destroy(space), -EBUSY);
	space_end();
	EXPECT(!aspace_current());
}

TEST(space, populate_use_unmap)
{
	struct aspace_page page;

	REQUIRE(space_begin());
	EXPECT(faults(TEST_BASE));
	EXPECT_EQ(aspace_populate(space, TEST_BASE, 3 * PAGE_SIZE, 1, MAP_WRITE), 0);
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t at = TEST_BASE + i * PAGE_SIZE;

		EXPECT_EQ(user_word(at), 0);
		set_user_word(at, 0x1000 + i);
		EXPECT_EQ(aspace_walk(space, at + 5, &page), 0);
		EXPECT_EQ(*(uint64_t *)phys_to_virt(page.phys), 0x1000 + i);
		EXPECT_EQ(page.virt, at);
		EXPECT_EQ(page.level, 1);
		EXPECT_EQ(page.flags, MAP_WRITE | MAP_USER);
		EXPECT_EQ(frame_refs(page.phys), 1);
	}
	EXPECT_EQ(aspace_unmap(space, TEST_BASE + PAGE_SIZE, PAGE_SIZE), 0);
	EXPECT(faults(TEST_BASE + PAGE_SIZE));
	EXPECT_EQ(user_word(TEST_BASE + 2 * PAGE_SIZE), 0x1002);
	EXPECT_EQ(aspace_walk(space, TEST_BASE + PAGE_SIZE, &page), -ENOENT);
	EXPECT_EQ(aspace_unmap(space, TEST_BASE, PAGE_SIZE), 0);
	EXPECT_EQ(aspace_unmap(space, TEST_BASE + 2 * PAGE_SIZE, PAGE_SIZE), 0);
	EXPECT_EQ(space->tables, 0);
	space_end();
}

TEST(space, mapped_frames_are_shared)
{
	uint64_t frame = frame_alloc();

	REQUIRE(frame && space_begin());
	EXPECT_EQ(aspace_map(space, TEST_BASE, frame, PAGE_SIZE, 1, MAP_WRITE), 0);
	EXPECT_EQ(aspace_map(space, TEST_BASE + GB, frame, PAGE_SIZE, 1, 0), 0);
	EXPECT_EQ(frame_refs(frame), 3);
	set_user_word(TEST_BASE + 8, 77);
	EXPECT_EQ(user_word(TEST_BASE + GB + 8), 77);
	EXPECT(is_read_only(TEST_BASE + GB));
	EXPECT_EQ(aspace_unmap(space, TEST_BASE, PAGE_SIZE), 0);
	EXPECT_EQ(frame_refs(frame), 2);
	space_end();
	EXPECT_EQ(frame_refs(frame), 1);
	frame_free(frame);
}

TEST(space, two_spaces_are_two)
{
	struct aspace *other;

	REQUIRE(space_begin());
	other = aspace_create();
	REQUIRE(other);
	EXPECT_EQ(aspace_populate(space, TEST_BASE, PAGE_SIZE, 1, MAP_WRITE), 0);
	EXPECT_EQ(aspace_populate(other, TEST_BASE, PAGE_SIZE, 1, MAP_WRITE), 0);
	set_user_word(TEST_BASE, 1);
	aspace_use(other);
	EXPECT_EQ(user_word(TEST_BASE), 0);
	set_user_word(TEST_BASE, 2);
	aspace_use(space);
	EXPECT_EQ(user_word(TEST_BASE), 1);
	EXPECT_EQ(aspace_destroy(other), 0);
	space_end();
}

TEST(space, protect)
{
	REQUIRE(space_begin());
	EXPECT_EQ(aspace_populate(space, TEST_BASE, 4 * PAGE_SIZE, 1, MAP_WRITE), 0);
	set_user_word(TEST_BASE + PAGE_SIZE, 5);
	EXPECT_EQ(aspace_protect(space, TEST_BASE + PAGE_SIZE, 2 * PAGE_SIZE, 0), 0);
	set_user_word(TEST_BASE, 6);
	set_user_word(TEST_BASE + 3 * PAGE_SIZE, 6);
	EXPECT(is_read_only(TEST_BASE + PAGE_SIZE) && is_read_only(TEST_BASE + 2 * PAGE_SIZE));
	EXPECT_EQ(user_word(TEST_BASE + PAGE_SIZE), 5);
	EXPECT_EQ(aspace_protect(space, TEST_BASE, 4 * PAGE_SIZE, MAP_WRITE), 0);
	set_user_word(TEST_BASE + 2 * PAGE_SIZE, 7);
	space_end();
}

static void try_level(unsigned int level)
{
	uint64_t size = mmu_size(level), last = TEST_BASE + 2 * size - 8;
	struct aspace_page page;

	EXPECT_EQ(aspace_populate(space, TEST_BASE, 2 * size, level, MAP_WRITE), 0);
	set_user_word(TEST_BASE + size - 8, 1);
	set_user_word(last, 2);
	EXPECT_EQ(aspace_walk(space, last, &page), 0);
	EXPECT_EQ(page.level, level);
	EXPECT_EQ(page.virt, TEST_BASE + size);
	EXPECT_EQ(*(uint64_t *)phys_to_virt(page.phys + size - 8), 2);
	EXPECT_EQ(aspace_protect(space, TEST_BASE + size, size, 0), 0);
	EXPECT(is_read_only(last));
	set_user_word(TEST_BASE, 3);
	EXPECT_EQ(aspace_unmap(space, TEST_BASE, size), 0);
	EXPECT(faults(TEST_BASE));
	EXPECT_EQ(user_word(last), 2);
	EXPECT_EQ(aspace_unmap(space, TEST_BASE + size, size), 0);
	EXPECT_EQ(space->tables, 0);
}

TEST(space, small_and_2_mb_pages)
{
	REQUIRE(space_begin());
	try_level(1);
	try_level(2);
	space_end();
}

/* One only: to clear it takes its time. */
TEST(space, pages_of_1_gb)
{
	struct aspace_page page;

	if (!mmu_has_1gb || frames_free() < 3 * GB / PAGE_SIZE) {
		test_skip("needs 1 GB pages and 3 GB of memory");
		return;
	}
	REQUIRE(space_begin());
	EXPECT_EQ(aspace_populate(space, TEST_BASE, GB, 3, MAP_WRITE), 0);
	set_user_word(TEST_BASE + GB - 8, 2);
	EXPECT_EQ(aspace_walk(space, TEST_BASE, &page), 0);
	EXPECT_EQ(page.level, 3);
	EXPECT_EQ(*(uint64_t *)phys_to_virt(page.phys + GB - 8), 2);
	EXPECT_EQ(aspace_protect(space, TEST_BASE + GB / 2, PAGE_SIZE, 0), 0);
	EXPECT_EQ(space->tables, 3);
	EXPECT(is_read_only(TEST_BASE + GB / 2));
	set_user_word(TEST_BASE + GB / 2 - 8, 1);
	set_user_word(TEST_BASE + GB / 2 + PAGE_SIZE, 1);
	EXPECT_EQ(user_word(TEST_BASE + GB - 8), 2);
	space_end();
}

/* Memory that is somebody else's, in every page size that there is. */
TEST(space, foreign_memory)
{
	uint64_t frame = frame_alloc(), *word = phys_to_virt(frame);

	REQUIRE(frame && space_begin());
	*word = 0x1234;
	for (unsigned int level = 1; level <= (mmu_has_1gb ? 3 : 2); level++) {
		uint64_t phys = frame & ~(mmu_size(level) - 1), at = TEST_BASE + level * GB;

		EXPECT_EQ(aspace_map(space, at, phys, mmu_size(level), level, MAP_FOREIGN), 0);
		EXPECT_EQ(user_word(at + (frame - phys)), *word);
		EXPECT(is_read_only(at));
	}
	EXPECT_EQ(frame_refs(frame), 1);
	space_end();
	frame_free(frame);
}

TEST(space, unmap_cuts_large_pages)
{
	REQUIRE(space_begin());
	EXPECT_EQ(aspace_populate(space, TEST_BASE, 4 * MB, 2, MAP_WRITE), 0);
	for (uint64_t at = TEST_BASE; at < TEST_BASE + 4 * MB; at += PAGE_SIZE)
		set_user_word(at, at);
	EXPECT_EQ(aspace_unmap(space, TEST_BASE + MB, 2 * MB), 0);
	for (uint64_t at = TEST_BASE; at < TEST_BASE + MB; at += PAGE_SIZE)
		EXPECT_EQ(user_word(at), at);
	EXPECT(faults(TEST_BASE + MB) && faults(TEST_BASE + 3 * MB - PAGE_SIZE));
	EXPECT(!faults(TEST_BASE + MB - PAGE_SIZE) && !faults(TEST_BASE + 3 * MB));
	EXPECT_EQ(user_word(TEST_BASE + 4 * MB - PAGE_SIZE), TEST_BASE + 4 * MB - PAGE_SIZE);
	space_end();
}

TEST(space, protect_cuts_large_pages)
{
	REQUIRE(space_begin());
	EXPECT_EQ(aspace_populate(space, TEST_BASE, 2 * MB, 2, MAP_WRITE), 0);
	EXPECT_EQ(aspace_protect(space, TEST_BASE + PAGE_SIZE, PAGE_SIZE, 0), 0);
	EXPECT(is_read_only(TEST_BASE + PAGE_SIZE));
	set_user_word(TEST_BASE, 1);
	set_user_word(TEST_BASE + 2 * PAGE_SIZE, 1);
	EXPECT_EQ(space->tables, 3);
	space_end();
}

/* More pages than a batch holds, in tables of several levels. */
TEST(space, large_ranges)
{
	uint64_t from = TEST_BASE + GB - 500 * PAGE_SIZE, length = 1000 * PAGE_SIZE;

	REQUIRE(space_begin());
	EXPECT_EQ(aspace_populate(space, from, length, 1, MAP_WRITE), 0);
	for (uint64_t at = from; at < from + length; at += PAGE_SIZE)
		set_user_word(at, at);
	EXPECT_EQ(aspace_protect(space, from + PAGE_SIZE, length - 2 * PAGE_SIZE, 0), 0);
	EXPECT(is_read_only(from + PAGE_SIZE) && is_read_only(from + length - 2 * PAGE_SIZE));
	set_user_word(from, from);
	set_user_word(from + length - PAGE_SIZE, 1);
	EXPECT_EQ(user_word(from + length / 2), from + length / 2);
	EXPECT_EQ(aspace_unmap(space, from + 10 * PAGE_SIZE, length - 20 * PAGE_SIZE), 0);
	EXPECT(faults(from + 10 * PAGE_SIZE) && faults(from + length - 11 * PAGE_SIZE));
	EXPECT(!faults(from + 9 * PAGE_SIZE) && !faults(from + length - 10 * PAGE_SIZE));
	space_end();
}

/*
 * Address spaces when there are no frames, at each place where one is wanted: an error, and all is
 * as before.
 */
#include "mm.h"
#include "space.h"
#include "test.h"
#include <kernel/mm/batch.h>
#include <kernel/mm/frames.h>
#include <lib/errno.h>
#include <stddef.h>

static int make_one(void *info)
{
	(void)info;
	space = aspace_create();
	return space ? 0 : -ENOMEM;
}

static int populate_some(void *info)
{
	(void)info;
	return aspace_populate(space, TEST_BASE + GB - 3 * PAGE_SIZE, 6 * PAGE_SIZE, 1, MAP_WRITE);
}

static int populate_large(void *info)
{
	(void)info;
	return aspace_populate(space, TEST_BASE + 4 * GB - 2 * MB, 4 * MB, 2, MAP_WRITE);
}

static int map_some(void *info)
{
	return aspace_map(space, TEST_BASE + 8 * GB, *(uint64_t *)info, PAGE_SIZE, 1, 0);
}

static int unmap_part(void *info)
{
	(void)info;
	return aspace_unmap(space, TEST_BASE + 4 * GB - MB, 2 * MB);
}

static int protect_part(void *info)
{
	(void)info;
	return aspace_protect(space, TEST_BASE + 6 * GB + PAGE_SIZE, PAGE_SIZE, 0);
}

static int split_one(void *info)
{
	(void)info;
	return aspace_split(space, TEST_BASE + 7 * GB);
}

/* Small pages that are not in a row: merging takes a block. */
static int merge_one(void *info)
{
	(void)info;
	return aspace_merge(space, TEST_BASE + 9 * GB);
}

TEST(space, out_of_frames_anywhere)
{
	uint64_t frame = frame_alloc();

	REQUIRE(frame);
	space_free_before = frames_free();
	fail_each_allocation(NULL, make_one, NULL);
	REQUIRE(space);
	aspace_use(space);
	fail_each_allocation(space, populate_some, NULL);
	fail_each_allocation(space, populate_large, NULL);
	fail_each_allocation(space, map_some, &frame);
	fail_each_allocation(space, unmap_part, NULL);
	EXPECT_EQ(aspace_populate(space, TEST_BASE + 6 * GB, 2 * MB, 2, MAP_WRITE), 0);
	fail_each_allocation(space, protect_part, NULL);
	EXPECT_EQ(aspace_populate(space, TEST_BASE + 7 * GB, 2 * MB, 2, MAP_WRITE), 0);
	fail_each_allocation(space, split_one, NULL);
	EXPECT_EQ(aspace_populate(space, TEST_BASE + 9 * GB, 2 * MB, 1, MAP_WRITE), 0);
	fail_each_allocation(space, merge_one, NULL);
	space_end();
	frame_free(frame);
}

static int unmap_in_batch(void *batch)
{
	return tlb_batch_unmap(batch, TEST_BASE + GB + MB, PAGE_SIZE);
}

/* What was in the batch before stays in it. */
TEST(space, out_of_frames_in_a_batch)
{
	struct tlb_batch batch;
	uint64_t word;

	REQUIRE(space_begin());
	EXPECT_EQ(aspace_populate(space, TEST_BASE, 4 * PAGE_SIZE, 1, MAP_WRITE), 0);
	EXPECT_EQ(aspace_populate(space, TEST_BASE + GB, 2 * MB, 2, MAP_WRITE), 0);
	set_user_word(TEST_BASE + GB, 1);
	REQUIRE(!tlb_batch_begin(&batch, space));
	EXPECT_EQ(tlb_batch_unmap(&batch, TEST_BASE, 3 * PAGE_SIZE), 0);
	fail_each_allocation(space, unmap_in_batch, &batch);
	EXPECT_EQ(batch.count, 4);
	tlb_batch_end(&batch);
	for (unsigned int page = 0; page < 3; page++)
		EXPECT_EQ(get_user(&word, TEST_BASE + page * PAGE_SIZE), -EFAULT);
	EXPECT_EQ(user_word(TEST_BASE + 3 * PAGE_SIZE), 0);
	EXPECT_EQ(get_user(&word, TEST_BASE + GB + MB), -EFAULT);
	EXPECT_EQ(user_word(TEST_BASE + GB), 1);
	space_end();
}

/* One table is enough where both ends lie in one page, and needs to be. */
TEST(space, a_cut_takes_no_more_than_it_needs)
{
	REQUIRE(space_begin());
	EXPECT_EQ(aspace_populate(space, TEST_BASE, 4 * MB, 2, MAP_WRITE), 0);
	frames_fail_at(2);
	EXPECT_EQ(aspace_unmap(space, TEST_BASE + PAGE_SIZE, PAGE_SIZE), 0);
	frames_fail_at(2);
	EXPECT_EQ(aspace_protect(space, TEST_BASE + 3 * MB, MB - PAGE_SIZE, 0), 0);
	frames_fail_at(0);
	set_user_word(TEST_BASE, 1);
	EXPECT_EQ(user_word(TEST_BASE + 3 * MB), 0);
	space_end();
}

/* Of foreign memory, so that none of that size need be free. */
TEST(space, a_cut_of_1_gb_takes_no_more_than_it_needs)
{
	uint64_t start = TEST_BASE + 5 * MB, length = 10 * MB;

	if (!mmu_has_1gb) {
		test_skip("needs 1 GB pages");
		return;
	}
	REQUIRE(space_begin());
	EXPECT_EQ(aspace_map(space, TEST_BASE, 0, GB, 3, MAP_FOREIGN), 0);
	frames_fail_at(4); /* one for the page, and one for each end */
	EXPECT_EQ(aspace_unmap(space, start, length), 0);
	EXPECT_EQ(frames_fail_at(0), 1);
	EXPECT_EQ(aspace_unmap(space, TEST_BASE, GB / 2), -ENOENT);
	EXPECT_EQ(aspace_unmap(space, TEST_BASE, 5 * MB), 0);
	EXPECT_EQ(aspace_unmap(space, start + length, GB - 15 * MB), 0);
	space_end();
}

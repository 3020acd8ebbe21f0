/*
 * Address spaces on one CPU: what is mapped is what is there, what is refused changes nothing,
 * and what is taken apart comes back.
 */
#include "mm.h"
#include "test.h"
#include <arch/irq.h>
#include <arch/mmu.h>
#include <kernel/mm/batch.h>
#include <kernel/mm/frames.h>
#include <lib/errno.h>
#include <lib/string.h>

/* Of every test: the space in use, and what was free before. */
static struct aspace *space;
static uint64_t free_before;

static bool begin(void)
{
	free_before = frames_free();
	space = aspace_create();
	if (!space)
		test_fail(__FILE__, __LINE__, "no memory for a space");
	else
		aspace_use(space);
	return space;
}

static void end(void)
{
	aspace_use(NULL);
	EXPECT_EQ(aspace_destroy(space), 0);
	EXPECT_EQ(frames_free(), free_before);
}

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
	REQUIRE(begin());
	EXPECT_EQ(aspace_current() == space, true);
	EXPECT_EQ(aspace_destroy(space), -EBUSY);
	end();
	EXPECT(!aspace_current());
}

TEST(space, populate_use_unmap)
{
	struct aspace_page page;

	REQUIRE(begin());
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
	end();
}

TEST(space, mapped_frames_are_shared)
{
	uint64_t frame = frame_alloc();

	REQUIRE(frame && begin());
	EXPECT_EQ(aspace_map(space, TEST_BASE, frame, PAGE_SIZE, 1, MAP_WRITE), 0);
	EXPECT_EQ(aspace_map(space, TEST_BASE + GB, frame, PAGE_SIZE, 1, 0), 0);
	EXPECT_EQ(frame_refs(frame), 3);
	set_user_word(TEST_BASE + 8, 77);
	EXPECT_EQ(user_word(TEST_BASE + GB + 8), 77);
	EXPECT(is_read_only(TEST_BASE + GB));
	EXPECT_EQ(aspace_unmap(space, TEST_BASE, PAGE_SIZE), 0);
	EXPECT_EQ(frame_refs(frame), 2);
	end();
	EXPECT_EQ(frame_refs(frame), 1);
	frame_free(frame);
}

TEST(space, two_spaces_are_two)
{
	struct aspace *other;

	REQUIRE(begin());
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
	end();
}

TEST(space, protect)
{
	REQUIRE(begin());
	EXPECT_EQ(aspace_populate(space, TEST_BASE, 4 * PAGE_SIZE, 1, MAP_WRITE), 0);
	set_user_word(TEST_BASE + PAGE_SIZE, 5);
	EXPECT_EQ(aspace_protect(space, TEST_BASE + PAGE_SIZE, 2 * PAGE_SIZE, 0), 0);
	set_user_word(TEST_BASE, 6);
	set_user_word(TEST_BASE + 3 * PAGE_SIZE, 6);
	EXPECT(is_read_only(TEST_BASE + PAGE_SIZE) && is_read_only(TEST_BASE + 2 * PAGE_SIZE));
	EXPECT_EQ(user_word(TEST_BASE + PAGE_SIZE), 5);
	EXPECT_EQ(aspace_protect(space, TEST_BASE, 4 * PAGE_SIZE, MAP_WRITE), 0);
	set_user_word(TEST_BASE + 2 * PAGE_SIZE, 7);
	end();
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
	REQUIRE(begin());
	try_level(1);
	try_level(2);
	end();
}

/* One only: to clear it takes its time. */
TEST(space, pages_of_1_gb)
{
	struct aspace_page page;

	if (!mmu_has_1gb || frames_free() < 3 * GB / PAGE_SIZE) {
		test_skip("needs 1 GB pages and 3 GB of memory");
		return;
	}
	REQUIRE(begin());
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
	end();
}

/* Memory that is somebody else's, in every page size that there is. */
TEST(space, foreign_memory)
{
	uint64_t frame = frame_alloc(), *word = phys_to_virt(frame);

	REQUIRE(frame && begin());
	*word = 0x1234;
	for (unsigned int level = 1; level <= (mmu_has_1gb ? 3 : 2); level++) {
		uint64_t phys = frame & ~(mmu_size(level) - 1), at = TEST_BASE + level * GB;

		EXPECT_EQ(aspace_map(space, at, phys, mmu_size(level), level, MAP_FOREIGN), 0);
		EXPECT_EQ(user_word(at + (frame - phys)), *word);
		EXPECT(is_read_only(at));
	}
	EXPECT_EQ(frame_refs(frame), 1);
	end();
	frame_free(frame);
}

TEST(space, unmap_cuts_large_pages)
{
	REQUIRE(begin());
	EXPECT_EQ(aspace_populate(space, TEST_BASE, 4 * MB, 2, MAP_WRITE), 0);
	for (uint64_t at = TEST_BASE; at < TEST_BASE + 4 * MB; at += PAGE_SIZE)
		set_user_word(at, at);
	EXPECT_EQ(aspace_unmap(space, TEST_BASE + MB, 2 * MB), 0);
	for (uint64_t at = TEST_BASE; at < TEST_BASE + MB; at += PAGE_SIZE)
		EXPECT_EQ(user_word(at), at);
	EXPECT(faults(TEST_BASE + MB) && faults(TEST_BASE + 3 * MB - PAGE_SIZE));
	EXPECT(!faults(TEST_BASE + MB - PAGE_SIZE) && !faults(TEST_BASE + 3 * MB));
	EXPECT_EQ(user_word(TEST_BASE + 4 * MB - PAGE_SIZE), TEST_BASE + 4 * MB - PAGE_SIZE);
	end();
}

TEST(space, protect_cuts_large_pages)
{
	REQUIRE(begin());
	EXPECT_EQ(aspace_populate(space, TEST_BASE, 2 * MB, 2, MAP_WRITE), 0);
	EXPECT_EQ(aspace_protect(space, TEST_BASE + PAGE_SIZE, PAGE_SIZE, 0), 0);
	EXPECT(is_read_only(TEST_BASE + PAGE_SIZE));
	set_user_word(TEST_BASE, 1);
	set_user_word(TEST_BASE + 2 * PAGE_SIZE, 1);
	EXPECT_EQ(space->tables, 3);
	end();
}

/* More pages than a batch holds, in tables of several levels. */
TEST(space, large_ranges)
{
	uint64_t from = TEST_BASE + GB - 500 * PAGE_SIZE, length = 1000 * PAGE_SIZE;

	REQUIRE(begin());
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
	end();
}

static void expect_refused(int error, int wanted, uint64_t digest)
{
	EXPECT_EQ(error, wanted);
	EXPECT_EQ(space_digest(space), digest);
}

struct bad_range {
	uint64_t virt, length;
	unsigned int level;
	int error;
};

static const struct bad_range bad_ranges[] = {
	{ TEST_BASE + 1, PAGE_SIZE, 1, -EINVAL },
	{ TEST_BASE, PAGE_SIZE + 1, 1, -EINVAL },
	{ TEST_BASE, 0, 1, -EINVAL },
	{ TEST_BASE + PAGE_SIZE, 2 * MB, 2, -EINVAL },
	{ TEST_BASE, PAGE_SIZE, 2, -EINVAL },
	{ TEST_BASE, PAGE_SIZE, 0, -EINVAL },
	{ TEST_BASE, PAGE_SIZE, 4, -EINVAL },
	{ TEST_BASE, PAGE_SIZE, ~0u, -EINVAL },
	{ 0, PAGE_SIZE, 1, -EINVAL },
	{ USER_START - PAGE_SIZE, 2 * PAGE_SIZE, 1, -EINVAL },
	{ USER_END, PAGE_SIZE, 1, -EINVAL },
	{ USER_END - PAGE_SIZE, 2 * PAGE_SIZE, 1, -EINVAL },
	{ USER_END - PAGE_SIZE, -PAGE_SIZE, 1, -EINVAL }, /* wraps */
	{ TEST_BASE, -TEST_BASE, 1, -EINVAL },            /* ends at 0 */
	{ TEST_BASE, ~0ul & ~(PAGE_SIZE - 1), 1, -EINVAL },
	{ 0x0000800000000000ul, PAGE_SIZE, 1, -EINVAL }, /* not canonical */
	{ 0x8000000000000000ul, PAGE_SIZE, 1, -EINVAL },
	{ 0xffff7ffffffff000ul, PAGE_SIZE, 1, -EINVAL },
	{ DIRECT_MAP, PAGE_SIZE, 1, -EINVAL },
	{ TEST_BASE, 2 * PAGE_SIZE, 1, -EEXIST }, /* the second is there */
	{ TEST_BASE + PAGE_SIZE, PAGE_SIZE, 1, -EEXIST },
	{ TEST_BASE, 2 * MB, 2, -EEXIST },
	{ TEST_BASE + 2 * MB, PAGE_SIZE, 1, -EEXIST }, /* in a large page */
	{ TEST_BASE + 2 * MB, 2 * MB, 2, -EEXIST },
};

static void refuse_to_map(uint64_t digest, uint64_t frame)
{
	for (unsigned int i = 0; i < sizeof(bad_ranges) / sizeof(bad_ranges[0]); i++) {
		const struct bad_range *bad = &bad_ranges[i];

		expect_refused(aspace_map(space, bad->virt, 0, bad->length, bad->level,
					  MAP_FOREIGN),
			       bad->error, digest);
		expect_refused(aspace_populate(space, bad->virt,
					       bad->length > GB ? PAGE_SIZE : bad->length,
					       bad->length > GB ? 0 : bad->level, 0),
			       bad->error, digest);
	}
	expect_refused(aspace_map(space, TEST_BASE, frame, PAGE_SIZE, 1, MAP_WRITE | MAP_EXEC),
		       -EINVAL, digest);
	expect_refused(aspace_map(space, TEST_BASE, frame, PAGE_SIZE, 1, MAP_COW), -EINVAL, digest);
	expect_refused(aspace_map(space, TEST_BASE, frame, PAGE_SIZE, 1, 1 << 20), -EINVAL, digest);
	expect_refused(aspace_map(space, TEST_BASE, frame + 8, PAGE_SIZE, 1, 0), -EINVAL, digest);
	expect_refused(aspace_map(space, TEST_BASE, mmu_phys_end, PAGE_SIZE, 1, MAP_FOREIGN),
		       -EINVAL, digest);
	expect_refused(aspace_map(space, TEST_BASE, ~0ul << 12, PAGE_SIZE, 1, MAP_FOREIGN), -EINVAL,
		       digest);
	/* Nobody holds it, so nobody can hand it in. */
	expect_refused(aspace_map(space, TEST_BASE, 0, PAGE_SIZE, 1, 0), -EINVAL, digest);
	expect_refused(aspace_populate(space, TEST_BASE, PAGE_SIZE, 1, MAP_FOREIGN), -EINVAL,
		       digest);
}

static void refuse_to_change(uint64_t digest)
{
	for (unsigned int i = 0; bad_ranges[i].error == -EINVAL; i++) {
		const struct bad_range *bad = &bad_ranges[i];

		if (bad->level != 1)
			continue;
		expect_refused(aspace_unmap(space, bad->virt, bad->length), -EINVAL, digest);
		expect_refused(aspace_protect(space, bad->virt, bad->length, 0), -EINVAL, digest);
	}
	expect_refused(aspace_protect(space, TEST_BASE + PAGE_SIZE, PAGE_SIZE, MAP_UNCACHED),
		       -EINVAL, digest);
	expect_refused(aspace_protect(space, TEST_BASE + PAGE_SIZE, PAGE_SIZE,
				      MAP_WRITE | MAP_EXEC),
		       -EINVAL, digest);
	/* Nothing there at all, at the start, at the end, or in the middle. */
	expect_refused(aspace_unmap(space, TEST_BASE + GB, PAGE_SIZE), -ENOENT, digest);
	expect_refused(aspace_unmap(space, TEST_BASE, 2 * PAGE_SIZE), -ENOENT, digest);
	expect_refused(aspace_unmap(space, TEST_BASE + PAGE_SIZE, 2 * PAGE_SIZE), -ENOENT, digest);
	expect_refused(aspace_unmap(space, TEST_BASE + PAGE_SIZE, 2 * MB), -ENOENT, digest);
	expect_refused(aspace_protect(space, TEST_BASE, 2 * PAGE_SIZE, MAP_WRITE), -ENOENT, digest);
	expect_refused(aspace_protect(space, TEST_BASE + GB, PAGE_SIZE, MAP_WRITE), -ENOENT,
		       digest);
	expect_refused(aspace_split(space, TEST_BASE + PAGE_SIZE), -EINVAL, digest);
	expect_refused(aspace_split(space, TEST_BASE + GB), -ENOENT, digest);
	expect_refused(aspace_split(space, USER_END), -EINVAL, digest);
	expect_refused(aspace_merge(space, TEST_BASE), -ENOENT, digest);
	expect_refused(aspace_merge(space, TEST_BASE + PAGE_SIZE), -EINVAL, digest);
	expect_refused(aspace_merge(space, TEST_BASE + 2 * MB), -EINVAL, digest);
}

TEST(space, bad_input_changes_nothing)
{
	uint64_t digest, frame = frame_alloc(), frames;

	REQUIRE(frame && begin());
	EXPECT_EQ(aspace_populate(space, TEST_BASE + PAGE_SIZE, PAGE_SIZE, 1, 0), 0);
	EXPECT_EQ(aspace_populate(space, TEST_BASE + 2 * MB, 2 * MB, 2, 0), 0);
	digest = space_digest(space);
	frames = frames_free();
	refuse_to_map(digest, frame);
	refuse_to_change(digest);
	EXPECT_EQ(frames_free(), frames);
	end();
	frame_free(frame);
}

TEST(space, interrupts_off_is_refused)
{
	struct tlb_batch batch;
	struct aspace_page page;
	uint64_t digest;

	REQUIRE(begin());
	EXPECT_EQ(aspace_populate(space, TEST_BASE, 2 * MB, 2, MAP_WRITE), 0);
	digest = space_digest(space);
	irq_disable();
	EXPECT_EQ(aspace_populate(space, TEST_BASE + GB, PAGE_SIZE, 1, MAP_WRITE), -EDEADLK);
	EXPECT_EQ(aspace_unmap(space, TEST_BASE, PAGE_SIZE), -EDEADLK);
	EXPECT_EQ(aspace_protect(space, TEST_BASE, PAGE_SIZE, 0), -EDEADLK);
	EXPECT_EQ(aspace_split(space, TEST_BASE), -EDEADLK);
	EXPECT_EQ(aspace_merge(space, TEST_BASE), -EDEADLK);
	EXPECT_EQ(aspace_walk(space, TEST_BASE, &page), -EDEADLK);
	EXPECT_EQ(aspace_destroy(space), -EDEADLK);
	EXPECT_EQ(tlb_batch_begin(&batch, space), -EDEADLK);
	EXPECT_EQ(flush_tlb_all(), -EDEADLK);
	EXPECT(irqs_disabled());
	irq_enable();
	EXPECT_EQ(space_digest(space), digest);
	end();
}

/*
 * Address spaces on one CPU: what is refused changes nothing.
 */
#include "capture.h"
#include "mm.h"
#include "space.h"
#include "test.h"
#include <arch/irq.h>
#include <arch/mmu.h>
#include <kernel/mm/batch.h>
#include <kernel/mm/frames.h>
#include <lib/errno.h>
#include <stddef.h>

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

/* Where nothing of the space can be, although some walk the same entries as what is mapped. */
static void refuse_to_serve(uint64_t digest)
{
	uint64_t there = TEST_BASE + PAGE_SIZE;
	static const enum map_flags wants[] = { 0, MAP_WRITE, MAP_EXEC };

	for (unsigned int i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
		expect_refused(aspace_fault(space, there | 1ul << 48, wants[i]), -EFAULT, digest);
		expect_refused(aspace_fault(space, there | 1ul << 63, wants[i]), -EFAULT, digest);
		expect_refused(aspace_fault(space, USER_END + PAGE_SIZE, wants[i]), -EFAULT,
			       digest);
		expect_refused(aspace_fault(space, USER_END, wants[i]), -EFAULT, digest);
		expect_refused(aspace_fault(space, DIRECT_MAP, wants[i]), -EFAULT, digest);
		expect_refused(aspace_fault(space, (uint64_t)&space, wants[i]), -EFAULT, digest);
		expect_refused(aspace_fault(space, 0, wants[i]), -EFAULT, digest);
	}
	expect_refused(aspace_fault(space, there, 0), 0, digest);
	expect_refused(aspace_fault(space, there, MAP_WRITE), -EFAULT, digest);
}

static void refuse_to_flush(uint64_t digest)
{
	REQUIRE(!aspace_lock(&space->lock));
	for (unsigned int i = 0; bad_ranges[i].error == -EINVAL; i++) {
		const struct bad_range *bad = &bad_ranges[i];

		if (bad->level == 1)
			expect_refused(flush_tlb_range(space, bad->virt, bad->virt + bad->length),
				       -EINVAL, digest);
		if (bad->level == 1 && bad->length == PAGE_SIZE)
			expect_refused(flush_tlb_page(space, bad->virt), -EINVAL, digest);
	}
	expect_refused(flush_tlb_page(space, TEST_BASE), 0, digest);
	expect_refused(flush_tlb_range(space, USER_START, USER_END), 0, digest);
	aspace_unlock(&space->lock);
}

TEST(space, bad_input_changes_nothing)
{
	uint64_t digest, frame = frame_alloc(), frames;

	REQUIRE(frame && space_begin());
	EXPECT_EQ(aspace_populate(space, TEST_BASE + PAGE_SIZE, PAGE_SIZE, 1, 0), 0);
	EXPECT_EQ(aspace_populate(space, TEST_BASE + 2 * MB, 2 * MB, 2, 0), 0);
	digest = space_digest(space);
	frames = frames_free();
	refuse_to_map(digest, frame);
	refuse_to_change(digest);
	refuse_to_serve(digest);
	refuse_to_flush(digest);
	EXPECT_EQ(frames_free(), frames);
	space_end();
	frame_free(frame);
}

TEST(space, interrupts_off_is_refused)
{
	uint64_t digest, frame = frame_alloc();
	struct aspace_page page;
	struct tlb_batch batch;
	struct aspace *copy;

	REQUIRE(frame && space_begin());
	EXPECT_EQ(aspace_populate(space, TEST_BASE, 2 * MB, 2, MAP_WRITE), 0);
	digest = space_digest(space);
	capture_start();
	irq_disable();
	EXPECT_EQ(aspace_populate(space, TEST_BASE + GB, PAGE_SIZE, 1, MAP_WRITE), -EDEADLK);
	EXPECT_EQ(aspace_map(space, TEST_BASE + GB, frame, PAGE_SIZE, 1, 0), -EDEADLK);
	EXPECT_EQ(aspace_clone(space, &copy), -EDEADLK);
	EXPECT_EQ(aspace_fault(space, TEST_BASE, MAP_WRITE), -EDEADLK);
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
	capture_end();
	EXPECT(capture_has_once("WARNING: mm: an address space is changed with interrupts off"));
	EXPECT_EQ(space_digest(space), digest);
	EXPECT_EQ(frame_refs(frame), 1);
	space_end();
	frame_free(frame);
}

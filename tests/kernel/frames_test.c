/*
 * Frames: references, caches, blocks, and who writes to what is free.
 */
#include "mm.h"
#include "poison.h"
#include "stuck.h"
#include "test.h"
#include <arch/mmu.h>
#include <kernel/mm/frame_table.h>
#include <kernel/mm/frames.h>
#include <kernel/smp/cpu.h>
#include <kernel/sched/work.h>

#define FEW 100 /* more than a CPU's cache holds */

TEST(frames, are_counted)
{
	uint64_t free = frames_free(), frame = page_alloc(1);

	REQUIRE(frame);
	EXPECT_EQ(frame_refs(frame), 1);
	EXPECT(!page_is_shared(frame, 1));
	page_get(frame, 1);
	EXPECT_EQ(frame_refs(frame), 2);
	EXPECT(page_is_shared(frame, 1));
	page_put(frame, 1);
	EXPECT_EQ(frames_free(), free - 1);
	page_put(frame, 1);
	EXPECT_EQ(frames_free(), free);
	EXPECT_EQ(frame_refs(frame), 0);
}

TEST(frames, come_and_go)
{
	static uint64_t held[FEW];
	uint64_t free = frames_free();

	for (unsigned int i = 0; i < FEW; i++) {
		held[i] = page_alloc(1);
		REQUIRE(held[i] && !(held[i] % PAGE_SIZE));
		EXPECT_EQ(frame_refs(held[i]), 1);
		*(uint64_t *)phys_to_virt(held[i]) = i;
	}
	EXPECT_EQ(frames_free(), free - FEW);
	for (unsigned int i = 0; i < FEW; i++) {
		EXPECT_EQ(*(uint64_t *)phys_to_virt(held[i]), i);
		frame_free(held[i]);
	}
	EXPECT_EQ(frames_free(), free);
}

TEST(frames, zeroed_ones_are)
{
	uint64_t frame = frame_alloc();

	REQUIRE(frame);
	*(uint64_t *)phys_to_virt(frame + PAGE_SIZE - 8) = 1;
	frame_free(frame);
	frame = frame_alloc();
	REQUIRE(frame);
	for (unsigned int i = 0; i < PAGE_SIZE; i += 8)
		EXPECT_EQ(*(uint64_t *)phys_to_virt(frame + i), 0);
	frame_free(frame);
}

static void free_all(void *info)
{
	uint64_t *held = info;

	for (unsigned int i = 0; i < FEW; i++)
		frame_free(held[i]);
}

/* What one CPU got, another gives back; each CPU's cache holds only so many. */
TEST(frames, go_from_cpu_to_cpu)
{
	static uint64_t held[FEW];
	uint64_t free = frames_free();

	if (lacks_cpus(2))
		return;
	for (unsigned int round = 0; round < 5; round++) {
		for (unsigned int i = 0; i < FEW; i++) {
			held[i] = page_alloc(1);
			REQUIRE(held[i]);
		}
		EXPECT_EQ(work_run(other_cpu(1), free_all, held), 0);
		EXPECT_EQ(frames_free(), free);
		EXPECT(cpus[other_cpu(1)]->frame_cache.count <= FRAME_CACHE);
	}
}

TEST(frames, a_late_writer_is_found)
{
	uint64_t frame, found = frames_late_writes();

	frames_poison(true);
	frame = page_alloc(1);
	REQUIRE(frame);
	frame_free(frame);
	EXPECT_EQ(*(volatile uint64_t *)phys_to_virt(frame), FRAME_POISON);
	EXPECT_EQ(page_alloc(1), frame); /* the cache gives the last one first */
	EXPECT_EQ(frames_late_writes(), found);
	frame_free(frame);
	*(volatile uint64_t *)phys_to_virt(frame + 8) = 1;
	EXPECT_EQ(page_alloc(1), frame);
	EXPECT_EQ(frames_late_writes(), found + 1);
	frame_free(frame);
	frames_poison(false);
}

/* A frame or a block that was free, and nobody has got since. */
static void write_late(unsigned int level)
{
	uint64_t page = page_alloc(level);

	if (!page) {
		test_skip("no block is free");
		return;
	}
	frames_poison(true);
	page_put(page, level);
	frames_poison(false);
	*(volatile uint64_t *)phys_to_virt(page + mmu_size(level) - sizeof(uint64_t)) = 1;
	EXPECT_EQ(poison_broken(), 1);
	EXPECT_EQ(poison_broken(), 0);
}

TEST(frames, a_late_writer_is_found_in_what_is_free)
{
	EXPECT_EQ(poison_broken(), 0);
	write_late(1);
	write_late(2);
}

TEST(frames, the_nth_allocation_fails)
{
	uint64_t free = frames_free(), first, second;

	frames_fail_at(2);
	first = page_alloc(1);
	second = page_alloc(1);
	EXPECT(first && !second);
	EXPECT_EQ(frames_fail_at(0), 0);
	second = page_alloc(1);
	EXPECT(second);
	EXPECT_EQ(frames_fail_at(0), 0);
	frame_free(first);
	frame_free(second);
	EXPECT_EQ(frames_free(), free);
}

TEST(frames, blocks)
{
	uint64_t free = frames_free(), block = page_alloc(2);

	REQUIRE(block);
	EXPECT_EQ(block % mmu_size(2), 0);
	EXPECT_EQ(frames_free(), free - BLOCK_FRAMES);
	EXPECT(!page_is_shared(block, 2));
	page_get(block + PAGE_SIZE, 1);
	EXPECT(page_is_shared(block, 2));
	page_put(block, 2);
	EXPECT_EQ(frames_free(), free - 1);
	EXPECT_EQ(frame_refs(block), 0);
	EXPECT_EQ(frame_refs(block + PAGE_SIZE), 1);
	page_put(block + PAGE_SIZE, 1);
	EXPECT_EQ(frames_free(), free);
}

/*
 * All blocks of the machine; nothing is written to them, so that an emulator need not have
 * memory for all of it.
 */
static uint64_t all_blocks[GB / (2 * MB)];

static unsigned int take_all_blocks(void)
{
	unsigned int count = 0;
	uint64_t block;

	while (count < GB / (2 * MB) && (block = page_alloc(2)))
		all_blocks[count++] = block;
	return count;
}

static void give_blocks(unsigned int count)
{
	while (count)
		page_put(all_blocks[--count], 2);
}

/* A block that went to pieces is one again when nothing else is left. */
TEST(frames, blocks_are_gathered)
{
	uint64_t free = frames_free(), block;
	unsigned int count;

	if (frames_total() > GB / PAGE_SIZE) {
		test_skip("takes too long with over 1 GB");
		return;
	}
	count = take_all_blocks();
	REQUIRE(count > 1);
	block = all_blocks[--count];
	for (unsigned int i = 0; i < BLOCK_FRAMES; i++)
		page_put(block + i * PAGE_SIZE, 1);
	EXPECT_EQ(page_alloc(2), block);
	page_put(block, 2);
	give_blocks(count);
	EXPECT_EQ(frames_free(), free);
}

/* What is out is out, and comes back whole. */
TEST(frames, all_of_them)
{
	uint64_t free = frames_free(), frame, singles = 0, list = 0;
	unsigned int count;

	if (frames_total() > GB / PAGE_SIZE) {
		test_skip("takes too long with over 1 GB");
		return;
	}
	count = take_all_blocks();
	while ((frame = page_alloc(1))) {
		*(uint64_t *)phys_to_virt(frame) = list;
		list = frame;
		singles++;
	}
	EXPECT_EQ(frames_free(), free - singles - count * BLOCK_FRAMES);
	EXPECT_EQ(page_alloc(1), FRAME_NONE);
	EXPECT_EQ(page_alloc(2), FRAME_NONE);
	while (list) {
		frame = list;
		list = *(uint64_t *)phys_to_virt(frame);
		frame_free(frame);
	}
	give_blocks(count);
	EXPECT_EQ(frames_free(), free);
}

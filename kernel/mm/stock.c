/*
 * The stock of free frames: ranges, and a list of single frames that were handed back. One
 * lock guards both.
 *
 * The list is linked in the table of frames: nothing is ever kept in a free frame. Blocks whose
 * frames are all in the list go back to the ranges when something large is wanted.
 */
#include <arch/mm.h>
#include <kernel/console/printk.h>
#include <kernel/mm/frame_table.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/ranges.h>
#include <kernel/mm/stock.h>
#include <kernel/panic.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/spinlock.h>

static struct spinlock lock;
static uint32_t singles;      /* the list's first frame, by number; 0: empty */
static uint64_t single_count; /* frames in both lists */
static uint64_t total_count;

void frames_add(uint64_t base, uint64_t length)
{
	uint64_t start = (base + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
	uint64_t end = (base + length) & ~(PAGE_SIZE - 1);

	if (base + length < base || start < base)
		return;
	if (end > FRAMES_END)
		end = FRAMES_END;
	if (start < PAGE_SIZE)
		start = PAGE_SIZE;
	if (start >= end)
		return;
	if (!ranges_add(start, end))
		printk_once("frames: too many ranges of memory, the rest is not used\n");
	total_count = ranges_free();
}

void frames_reserve(uint64_t base, uint64_t length)
{
	uint64_t end = base + length + PAGE_SIZE - 1;

	if (!length)
		return;
	if (end < base)
		end = ~0ull;
	ranges_cut(base & ~(PAGE_SIZE - 1), end & ~(PAGE_SIZE - 1));
}

static uint16_t *listed_of(uint64_t phys)
{
	return &section_of(phys)->listed[phys / PAGE_SIZE % SECTION_FRAMES / BLOCK_FRAMES];
}

static void list_single(uint64_t phys)
{
	struct frame *frame = frame_of(phys);

	frame->next = singles;
	frame->prev = 0;
	if (singles)
		frame_of((uint64_t)singles * PAGE_SIZE)->prev = (uint32_t)(phys / PAGE_SIZE);
	singles = (uint32_t)(phys / PAGE_SIZE);
	frame_move(frame, FRAME_LISTED);
	++*listed_of(phys);
	single_count++;
}

static void unlist_single(uint64_t phys)
{
	const struct frame *frame = frame_of(phys);

	if (frame->next)
		frame_of((uint64_t)frame->next * PAGE_SIZE)->prev = frame->prev;
	if (frame->prev)
		frame_of((uint64_t)frame->prev * PAGE_SIZE)->next = frame->next;
	else
		singles = frame->next;
	--*listed_of(phys);
	single_count--;
}

/* Back to the ranges; where their table is full, to the list. */
static void give_block(uint64_t block)
{
	if (ranges_add(block, block + BLOCK_FRAMES * PAGE_SIZE))
		return;
	for (unsigned int i = 0; i < BLOCK_FRAMES; i++)
		list_single(block + i * PAGE_SIZE);
}

static void gather_block(uint64_t block)
{
	for (unsigned int i = 0; i < BLOCK_FRAMES; i++) {
		unlist_single(block + i * PAGE_SIZE);
		frame_move(frame_of(block + i * PAGE_SIZE), FRAME_RANGED);
	}
	give_block(block);
}

/* Blocks of which every frame is in the list become ranges again. */
static void gather_section(uint64_t index)
{
	const struct section *section = &frame_sections[index];

	for (uint64_t block = 0; section->frames && block < SECTION_BLOCKS; block++) {
		if (section->listed[block] == BLOCK_FRAMES)
			gather_block((index * SECTION_BLOCKS + block) * BLOCK_FRAMES * PAGE_SIZE);
	}
}

static uint64_t take_gathered(uint64_t count, uint64_t align, uint64_t limit)
{
	if (single_count < BLOCK_FRAMES)
		return FRAME_NONE;
	for (uint64_t i = 0; i < frame_section_count; i++)
		gather_section(i);
	return ranges_take(count, align, limit);
}

unsigned long stock_lock(void)
{
	return spin_lock_irqsave(&lock);
}

void stock_unlock(unsigned long flags)
{
	spin_unlock_irqrestore(&lock, flags);
}

uint64_t stock_take(void)
{
	uint64_t frame = (uint64_t)singles * PAGE_SIZE;

	if (!frame)
		return ranges_take(1, PAGE_SIZE, FRAMES_END);
	unlist_single(frame);
	return frame;
}

/* Only the first of the list is looked at: limits are for boot, when the ranges have plenty. */
static uint64_t take_single_below(uint64_t limit)
{
	uint64_t frame = (uint64_t)singles * PAGE_SIZE;

	if (!frame || frame >= limit)
		return FRAME_NONE;
	unlist_single(frame);
	return frame;
}

uint64_t stock_take_row(uint64_t count, uint64_t align, uint64_t limit)
{
	uint64_t start = ranges_take(count, align, limit);

	if (!start)
		start = take_gathered(count, align, limit);
	if (!start && count == 1)
		start = take_single_below(limit);
	return start;
}

void stock_give(uint64_t frame)
{
	list_single(frame);
}

void stock_give_block(uint64_t block)
{
	give_block(block);
}

uint32_t stock_cache_limit(void)
{
	uint64_t share = total_count / (16 * (nr_cpus + 1));

	return share < FRAME_CACHE ? (uint32_t)share : FRAME_CACHE;
}

void frames_start(void)
{
	if (frame_table_make(ranges_end(), ranges_touch))
		panic("mm: no memory for the table of frames");
}

uint64_t frames_free(void)
{
	uint64_t count = ranges_free() + single_count;

	for (unsigned int cpu = 0; cpu == 0 || cpu < nr_cpus; cpu++)
		count += cpus[cpu] ? cpus[cpu]->frame_cache.count : 0;
	return count;
}

uint64_t frames_total(void)
{
	return total_count;
}

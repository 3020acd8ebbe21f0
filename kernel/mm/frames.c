/*
 * Frames for everybody: counted references in front of the stock, with a cache for each
 * CPU between them.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/mm.h>
#include <arch/mmu.h>
#include <kernel/console/printk.h>
#include <kernel/mm/frame_table.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/stock.h>
#include <kernel/panic.h>
#include <kernel/smp/cpu.h>
#include <lib/string.h>
#include <stdatomic.h>

#define WORDS (PAGE_SIZE / sizeof(uint64_t))

static atomic_bool poison;
static _Atomic uint64_t late_writes;
static _Atomic uint64_t fail_in; /* allocations until one fails; 0: none will */

void frames_poison(bool on)
{
	atomic_store_explicit(&poison, on, memory_order_relaxed);
}

uint64_t frames_late_writes(void)
{
	return atomic_load_explicit(&late_writes, memory_order_relaxed);
}

uint64_t frames_fail_at(uint64_t nth)
{
	return atomic_exchange_explicit(&fail_in, nth, memory_order_relaxed);
}

static bool __attribute__((noinline, cold)) count_down(void)
{
	uint64_t left = atomic_load_explicit(&fail_in, memory_order_relaxed);

	while (left &&
	       !atomic_compare_exchange_weak_explicit(&fail_in, &left, left - 1,
						      memory_order_relaxed, memory_order_relaxed))
		;
	return left == 1;
}

static bool must_fail(void)
{
	return atomic_load_explicit(&fail_in, memory_order_relaxed) && count_down();
}

static void fill_with_poison(uint64_t phys)
{
	uint64_t *words = phys_to_virt(phys);

	for (unsigned int i = 0; i < WORDS; i++)
		words[i] = FRAME_POISON;
}

static void check_poison(uint64_t phys)
{
	const volatile uint64_t *words = phys_to_virt(phys);

	for (unsigned int i = 0; i < WORDS; i++) {
		if (words[i] == FRAME_POISON)
			continue;
		printk("frames: %#lx was written after it was free: %#lx at +%#lx\n", phys,
		       words[i], i * sizeof(uint64_t));
		atomic_fetch_add_explicit(&late_writes, 1, memory_order_relaxed);
		return;
	}
}

/* Nobody has a reference any more, and nobody can get one. */
static void mark_free(uint64_t phys, uint32_t state)
{
	if (atomic_load_explicit(&poison, memory_order_relaxed)) {
		fill_with_poison(phys);
		state |= FRAME_POISONED;
	}
	atomic_store_explicit(&frame_of(phys)->refs, state, memory_order_relaxed);
}

static void mark_used(uint64_t phys)
{
	struct frame *frame = frame_of(phys);

	if (atomic_load_explicit(&frame->refs, memory_order_relaxed) & FRAME_POISONED)
		check_poison(phys);
	atomic_store_explicit(&frame->refs, 1, memory_order_relaxed);
}

/* Half of what this CPU may have, from the stock. Interrupts off. */
static void fill_cache(void)
{
	uint32_t wanted = stock_cache_limit() / 2 + 1;

	while (this_cpu->frame_cache.count < wanted) {
		uint64_t frame = stock_take();

		if (!frame)
			return;
		frame_move(frame_of(frame), FRAME_CACHED);
		this_cpu->frame_cache.frames[this_cpu->frame_cache.count++] = frame;
	}
}

static void spill_cache(uint32_t keep)
{
	while (this_cpu->frame_cache.count > keep)
		stock_give(this_cpu->frame_cache.frames[--this_cpu->frame_cache.count]);
}

/* The lock lets interrupts in while it waits, so the cache is looked at once more. */
static uint64_t __attribute__((noinline)) take_from_stock(void)
{
	unsigned long flags = stock_lock();
	uint64_t frame = FRAME_NONE;

	fill_cache();
	if (this_cpu->frame_cache.count)
		frame = this_cpu->frame_cache.frames[--this_cpu->frame_cache.count];
	stock_unlock(flags);
	return frame;
}

static uint64_t take_one(void)
{
	unsigned long flags = irq_save();
	uint64_t frame;

	if (!this_cpu->frame_cache.count) {
		irq_restore(flags);
		return take_from_stock();
	}
	frame = this_cpu->frame_cache.frames[--this_cpu->frame_cache.count];
	irq_restore(flags);
	return frame;
}

static void __attribute__((noinline)) give_to_stock(uint64_t phys)
{
	unsigned long flags = stock_lock();

	spill_cache(stock_cache_limit() / 2);
	stock_give(phys);
	stock_unlock(flags);
}

static void give_one(uint64_t phys)
{
	unsigned long flags = irq_save();

	if (this_cpu->frame_cache.count >= stock_cache_limit()) {
		irq_restore(flags);
		give_to_stock(phys);
		return;
	}
	this_cpu->frame_cache.frames[this_cpu->frame_cache.count++] = phys;
	irq_restore(flags);
}

/* Some of what would make a row may be in this CPU's cache. */
static uint64_t take_row(uint64_t count, uint64_t align, uint64_t limit)
{
	unsigned long flags = stock_lock();
	uint64_t start = stock_take_row(count, align, limit);

	if (!start && frame_section_count) {
		spill_cache(0);
		start = stock_take_row(count, align, limit);
	}
	stock_unlock(flags);
	for (uint64_t i = 0; start && frame_section_count && i < count; i++)
		mark_used(start + i * PAGE_SIZE);
	return start;
}

uint64_t page_alloc(unsigned int level)
{
	uint64_t frame;

	if (must_fail())
		return FRAME_NONE;
	if (level > 1)
		return take_row(mmu_size(level) / PAGE_SIZE, mmu_size(level), FRAMES_END);
	frame = take_one();
	if (frame)
		mark_used(frame);
	return frame;
}

/* Relaxed: who takes another reference has one already, so it cannot be the last. */
void page_get(uint64_t phys, unsigned int level)
{
	for (uint64_t at = phys; at < phys + mmu_size(level); at += PAGE_SIZE) {
		uint32_t before =
			atomic_fetch_add_explicit(&frame_of(at)->refs, 1, memory_order_relaxed);

		BUG_ON(!before || before & FRAME_FREE);
	}
}

/*
 * Whether it was the last reference. Release: what was done through it comes before;
 * acquire: the last one sees what all others did.
 */
static bool put_one(uint64_t phys)
{
	uint32_t before = atomic_fetch_sub_explicit(&frame_of(phys)->refs, 1, memory_order_acq_rel);

	BUG_ON(!before || before & FRAME_FREE);
	return before == 1;
}

static void give_block(uint64_t block)
{
	unsigned long flags = stock_lock();

	stock_give_block(block);
	stock_unlock(flags);
}

/* What others still hold breaks the block: the rest becomes single frames. */
static void put_block(uint64_t block)
{
	bool last[BLOCK_FRAMES];
	unsigned int count = 0;

	for (unsigned int i = 0; i < BLOCK_FRAMES; i++) {
		last[i] = put_one(block + i * PAGE_SIZE);
		count += last[i];
		if (last[i])
			mark_free(block + i * PAGE_SIZE, FRAME_RANGED);
	}
	if (count == BLOCK_FRAMES) {
		give_block(block);
		return;
	}
	for (unsigned int i = 0; i < BLOCK_FRAMES; i++) {
		if (last[i])
			give_to_stock(block + i * PAGE_SIZE);
	}
}

void page_put(uint64_t phys, unsigned int level)
{
	if (level == 1) {
		if (!put_one(phys))
			return;
		mark_free(phys, FRAME_CACHED);
		give_one(phys);
		return;
	}
	for (uint64_t block = phys; block < phys + mmu_size(level); block += mmu_size(2))
		put_block(block);
}

bool page_is_shared(uint64_t phys, unsigned int level)
{
	for (uint64_t at = phys; at < phys + mmu_size(level); at += PAGE_SIZE) {
		/* Acquire: pairs with the release in put_one. */
		if (atomic_load_explicit(&frame_of(at)->refs, memory_order_acquire) != 1)
			return true;
	}
	return false;
}

uint64_t frames_alloc(uint64_t count, uint64_t limit)
{
	uint64_t start = count == 1 && must_fail() ? FRAME_NONE : take_row(count, PAGE_SIZE, limit);

	if (start)
		memset(phys_to_virt(start), 0, count * PAGE_SIZE);
	return start;
}

uint64_t frame_alloc(void)
{
	uint64_t frame = frame_section_count ? page_alloc(1) : frames_alloc(1, FRAMES_END);

	if (frame)
		memset(phys_to_virt(frame), 0, PAGE_SIZE);
	return frame;
}

void frame_free(uint64_t frame)
{
	BUG_ON(!frame || frame % PAGE_SIZE || page_is_shared(frame, 1));
	page_put(frame, 1);
}

uint32_t frame_refs(uint64_t frame)
{
	uint32_t refs;

	if (!frame_is_counted(frame))
		return 0;
	refs = atomic_load_explicit(&frame_of(frame)->refs, memory_order_relaxed);
	return refs & FRAME_FREE ? 0 : refs;
}

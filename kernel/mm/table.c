/*
 * Editing page tables, without knowing what their entries look like.
 */
#include <kernel/mm/frame_table.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/table.h>
#include <kernel/panic.h>
#include <lib/errno.h>
#include <lib/string.h>

static uint64_t *link_of(uint64_t phys)
{
	return phys_to_virt(phys);
}

static void reserve_add(struct reserve *reserve, uint64_t phys)
{
	*link_of(phys) = reserve->first;
	reserve->first = phys;
}

int reserve_fill(struct reserve *reserve, uint64_t count, unsigned int level)
{
	*reserve = (struct reserve){ .level = level };
	while (count--) {
		uint64_t phys = page_alloc(level);

		if (!phys) {
			reserve_drop(reserve);
			return -ENOMEM;
		}
		memset(phys_to_virt(phys), 0, mmu_size(level));
		reserve_add(reserve, phys);
	}
	return 0;
}

uint64_t reserve_take(struct reserve *reserve)
{
	uint64_t phys = reserve->first;

	BUG_ON(!phys);
	reserve->first = *link_of(phys);
	*link_of(phys) = 0;
	return phys;
}

void reserve_drop(struct reserve *reserve)
{
	while (reserve->first)
		page_put(reserve_take(reserve), reserve->level);
}

/* Tables from below an entry of upper down to leaves of level, for [start, end) within it. */
static uint64_t tables_below(unsigned int upper, unsigned int level, uint64_t start, uint64_t end)
{
	uint64_t count = 0;

	for (unsigned int at = level + 1; at <= upper; at++)
		count += ((end - 1) >> mmu_shift(at)) - (start >> mmu_shift(at)) + 1;
	return count;
}

static bool are_empty(const struct run *run)
{
	for (unsigned int i = 0; i < run->count; i++) {
		if (mmu_present(atomic_load_explicit(&run->entry.at[i], memory_order_relaxed)))
			return false;
	}
	return true;
}

int table_count_missing(const struct aspace *aspace, uint64_t start, uint64_t end,
			unsigned int level, uint64_t *missing)
{
	*missing = 0;
	for (uint64_t virt = start; virt < end;) {
		struct run run = table_run(aspace, virt, end);
		uint64_t next = run.next < end ? run.next : end;

		/* Below level: there is a table of smaller pages. */
		if (run.entry.level < level || !are_empty(&run))
			return -EEXIST;
		*missing += tables_below(run.entry.level, level, virt, next);
		virt = next;
	}
	return 0;
}

/* The kernel's tables are never dropped, and some are older than the table of frames. */
static void count_entries(const struct aspace *aspace, const _Atomic uint64_t *table, int by)
{
	struct frame *frame;
	uint32_t refs;

	if (!(aspace->always & MAP_USER))
		return;
	frame = frame_of(virt_to_phys((const void *)table));
	refs = atomic_load_explicit(&frame->refs, memory_order_relaxed);
	atomic_store_explicit(&frame->refs, refs + (uint32_t)by, memory_order_relaxed);
}

/* Release: who walks through it finds the table complete. */
static void write_entry(const struct aspace *aspace, _Atomic uint64_t *at, uint64_t value)
{
	count_entries(aspace, at, 1);
	atomic_store_explicit(at, value, memory_order_release);
}

void table_put(struct aspace *aspace, uint64_t virt, unsigned int level, uint64_t leaf,
	       struct reserve *reserve)
{
	struct entry entry = table_find(aspace, virt);

	BUG_ON(entry_is_leaf(&entry) || entry.level < level);
	while (entry.level > level) {
		uint64_t table = reserve_take(reserve);

		write_entry(aspace, entry.at, mmu_table_entry(table, aspace->always));
		aspace->tables++;
		entry.level--;
		entry.at = table_at(table);
		entry.at += mmu_slot(virt, entry.level);
	}
	write_entry(aspace, entry.at, leaf);
}

/* Some of a run, for which there is room in the batch. */
static void clear_some(struct tlb_batch *batch, const struct run *run, unsigned int from,
		       unsigned int count)
{
	unsigned int level = run->entry.level;
	uint64_t start = run->start + from * mmu_size(level);

	tlb_batch_note(batch, start, start + count * mmu_size(level), count);
	for (unsigned int i = from; i < from + count; i++) {
		/* The hardware sets bits in it until it is gone. */
		uint64_t leaf =
			atomic_exchange_explicit(&run->entry.at[i], 0, memory_order_relaxed);

		if (!mmu_is_foreign(leaf))
			tlb_batch_page(batch, mmu_leaf_phys(leaf, level), level);
	}
}

void table_clear(struct tlb_batch *batch, const struct run *run)
{
	unsigned int count;

	count_entries(batch->aspace, run->entry.at, -(int)run->count);
	for (unsigned int done = 0; done < run->count; done += count) {
		count = tlb_batch_room(batch, run->count - done);
		clear_some(batch, run, done, count);
	}
}

static bool is_empty(const _Atomic uint64_t *table)
{
	return frame_refs(virt_to_phys((const void *)table) & ~(PAGE_SIZE - 1)) == 1;
}

/* The entries on the way to virt, from the top down; returns the level of the last. */
static unsigned int find_way(const struct aspace *aspace, uint64_t virt,
			     _Atomic uint64_t *way[MMU_LEVELS + 1])
{
	_Atomic uint64_t *table = aspace->top;

	for (unsigned int level = MMU_LEVELS;; level--) {
		uint64_t value;

		way[level] = &table[mmu_slot(virt, level)];
		value = atomic_load_explicit(way[level], memory_order_relaxed);
		if (!mmu_present(value) || mmu_is_leaf(value, level))
			return level;
		table = table_at(value);
	}
}

_Atomic uint64_t *table_way(const struct aspace *aspace, uint64_t virt, unsigned int level)
{
	_Atomic uint64_t *way[MMU_LEVELS + 1];

	BUG_ON(find_way(aspace, virt, way) > level);
	return way[level];
}

void table_prune(struct tlb_batch *batch, uint64_t virt)
{
	_Atomic uint64_t *way[MMU_LEVELS + 1];
	struct aspace *aspace = batch->aspace;

	if (!(aspace->always & MAP_USER))
		return;
	for (unsigned int level = find_way(aspace, virt, way); level < MMU_LEVELS; level++) {
		if (!is_empty(way[level]))
			return;
		atomic_store_explicit(way[level + 1], 0, memory_order_relaxed);
		count_entries(aspace, way[level + 1], -1);
		aspace->tables--;
		tlb_batch_table(batch, virt_to_phys((const void *)way[level]) & ~(PAGE_SIZE - 1));
	}
}

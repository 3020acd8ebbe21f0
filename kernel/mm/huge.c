/*
 * Large pages, split and merged while others read and write in them.
 *
 * Two sizes of page for one address at the same time confuse some CPUs, and a copy must not miss
 * a write. So first nothing is there and nobody remembers that anything was, and then the new
 * entry is written. Who comes meanwhile faults, and waits for the space's lock.
 */
#include <arch/mmu.h>
#include <kernel/mm/flush.h>
#include <kernel/mm/frame_table.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/huge.h>
#include <kernel/mm/table.h>
#include <lib/errno.h>
#include <lib/string.h>

/* The parts are as good as accessed and dirty: what the hardware noted meanwhile is not lost. */
static void fill_with_parts(_Atomic uint64_t *table, uint64_t leaf, unsigned int level)
{
	for (unsigned int i = 0; i < MMU_ENTRIES; i++)
		atomic_store_explicit(&table[i], mmu_with_traces(mmu_split(leaf, level, i)),
				      memory_order_relaxed);
}

static void set_entry_count(uint64_t table, uint32_t entries)
{
	atomic_store_explicit(&frame_of(table)->refs, 1 + entries, memory_order_relaxed);
}

void huge_split_with(struct aspace *aspace, const struct entry *entry, uint64_t virt,
		     uint64_t table)
{
	fill_with_parts(phys_to_virt(table), entry->value, entry->level);
	set_entry_count(table, MMU_ENTRIES);
	aspace->tables++;
	atomic_store_explicit(entry->at, 0, memory_order_relaxed);
	flush_range(aspace, virt, 1, false);
	/* Release: who walks through it finds the table complete. */
	atomic_store_explicit(entry->at, mmu_table_entry(table, aspace->always),
			      memory_order_release);
}

/* By a call: nothing here is short, and the walk would be written out six times. */
static struct entry __attribute__((noinline)) find_entry(const struct aspace *aspace, uint64_t virt)
{
	return table_find(aspace, virt);
}

/* How many splits it takes until a page begins at virt. */
static unsigned int splits_for(const struct aspace *aspace, uint64_t virt)
{
	struct entry entry = find_entry(aspace, virt);
	unsigned int count = 0;

	if (!entry_is_leaf(&entry))
		return 0;
	for (unsigned int level = entry.level; level > 1; level--)
		count += (virt & (mmu_size(level) - 1)) != 0;
	return count;
}

/* The splits of one page that both ends lie in are made once. */
static unsigned int splits_for_both(const struct aspace *aspace, uint64_t start, uint64_t end)
{
	unsigned int count = splits_for(aspace, start) + splits_for(aspace, end);
	struct entry entry = find_entry(aspace, start);

	if (!entry_is_leaf(&entry))
		return count;
	for (unsigned int level = entry.level; level > 1; level--) {
		uint64_t inside = mmu_size(level) - 1;

		count -= !((start ^ end) & ~inside) && start & inside && end & inside;
	}
	return count;
}

static void split_until(struct aspace *aspace, uint64_t virt, struct reserve *tables)
{
	struct entry entry = find_entry(aspace, virt);

	while (entry_is_leaf(&entry) && virt & (mmu_size(entry.level) - 1)) {
		huge_split_with(aspace, &entry, virt, reserve_take(tables));
		entry = find_entry(aspace, virt);
	}
}

int huge_split_ends(struct tlb_batch *batch, uint64_t start, uint64_t end)
{
	struct aspace *aspace = batch->aspace;
	struct reserve tables;
	int error = reserve_fill(&tables, splits_for_both(aspace, start, end), 1);

	if (error)
		return error;
	split_until(aspace, start, &tables);
	split_until(aspace, end, &tables);
	reserve_drop(&tables);
	return 0;
}

static int split_at(struct aspace *aspace, uint64_t virt)
{
	struct entry entry = find_entry(aspace, virt);
	uint64_t table;

	if (!entry_is_leaf(&entry))
		return -ENOENT;
	if (entry.level == 1)
		return -EINVAL;
	table = page_alloc(1);
	if (!table)
		return -ENOMEM;
	huge_split_with(aspace, &entry, virt, table);
	return 0;
}

/* In the kernel's window no page is large. */
static bool may_hold(const struct aspace *aspace, uint64_t virt, unsigned int level)
{
	return aspace != &kernel_aspace && !(virt & (mmu_size(level) - 1)) &&
	       virt >= aspace->start && virt < aspace->end;
}

int aspace_split(struct aspace *aspace, uint64_t virt)
{
	int error;

	if (!may_hold(aspace, virt, 1))
		return -EINVAL;
	error = aspace_lock(&aspace->lock);
	if (error)
		return error;
	error = split_at(aspace, virt);
	aspace_unlock(&aspace->lock);
	return error;
}

/* A merge at work. */
struct merge {
	struct aspace *aspace;
	uint64_t virt;
	_Atomic uint64_t *at; /* the entry that leads to the table, at level 2 */
	_Atomic uint64_t *table;
	uint64_t block; /* where the large page will be */
};

static uint64_t part(const struct merge *merge, unsigned int index)
{
	return atomic_load_explicit(&merge->table[index], memory_order_relaxed);
}

/* Whether its 512 pages can be one: -ENOENT, -EINVAL, or 0. */
static int look_at_parts(const struct merge *merge)
{
	uint64_t first = part(merge, 0);

	for (unsigned int i = 0; i < MMU_ENTRIES; i++) {
		uint64_t leaf = part(merge, i);

		if (!mmu_present(leaf))
			return -ENOENT;
		if (mmu_leaf_flags(leaf) != mmu_leaf_flags(first) || mmu_is_foreign(leaf) ||
		    page_is_shared(mmu_leaf_phys(leaf, 1), 1))
			return -EINVAL;
	}
	return 0;
}

static bool is_in_a_row(const struct merge *merge)
{
	uint64_t first = mmu_leaf_phys(part(merge, 0), 1);

	if (first & (mmu_size(2) - 1))
		return false;
	for (unsigned int i = 1; i < MMU_ENTRIES; i++) {
		if (mmu_leaf_phys(part(merge, i), 1) != first + i * PAGE_SIZE)
			return false;
	}
	return true;
}

/* The way to the table of 4 KB pages. */
static int find_parts(struct merge *merge)
{
	struct entry entry = find_entry(merge->aspace, merge->virt);

	if (entry.level > 1)
		return entry_is_leaf(&entry) ? -EINVAL : -ENOENT;
	merge->table = entry.at;
	merge->at = table_way(merge->aspace, merge->virt, 2);
	return look_at_parts(merge);
}

static void move_parts(const struct merge *merge)
{
	for (unsigned int i = 0; i < MMU_ENTRIES; i++) {
		uint64_t phys = mmu_leaf_phys(part(merge, i), 1);

		memcpy(phys_to_virt(merge->block + i * PAGE_SIZE), phys_to_virt(phys), PAGE_SIZE);
		page_put(phys, 1);
	}
}

/* With the table gone from every walk, nobody can write to a page that is being copied. */
static void join(const struct merge *merge, bool move)
{
	uint64_t leaf = mmu_join(part(merge, 0), merge->block);
	uint64_t table = virt_to_phys((const void *)merge->table);

	atomic_store_explicit(merge->at, 0, memory_order_relaxed);
	flush_range(merge->aspace, merge->virt, FLUSH_ALL, true);
	if (move)
		move_parts(merge);
	atomic_store_explicit(merge->at, leaf, memory_order_release);
	merge->aspace->tables--;
	set_entry_count(table, 0);
	page_put(table, 1);
}

static int merge_at(struct merge *merge)
{
	int error = find_parts(merge);
	bool move;

	if (error)
		return error;
	move = !is_in_a_row(merge);
	merge->block = move ? page_alloc(2) : mmu_leaf_phys(part(merge, 0), 1);
	if (!merge->block)
		return -ENOMEM;
	join(merge, move);
	return 0;
}

int aspace_merge(struct aspace *aspace, uint64_t virt)
{
	struct merge merge = { .aspace = aspace, .virt = virt };
	int error;

	if (!may_hold(aspace, virt, 2))
		return -EINVAL;
	error = aspace_lock(&aspace->lock);
	if (error)
		return error;
	error = merge_at(&merge);
	aspace_unlock(&aspace->lock);
	return error;
}

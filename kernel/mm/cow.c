/*
 * Copy-on-write.
 *
 * A frame that two spaces hold is written by neither: both have it read-only, with MAP_COW. The
 * copy replaces it only when no CPU remembers it: else one CPU might write to the copy, and
 * another still read what was before, after it has heard of the write.
 */
#include <arch/mmu.h>
#include <kernel/mm/cow.h>
#include <kernel/mm/flush.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/huge.h>
#include <lib/errno.h>
#include <lib/string.h>

static uint64_t made_writable(uint64_t leaf)
{
	return mmu_with_may(leaf, mmu_may_bits((mmu_leaf_flags(leaf) & MAP_EXEC) | MAP_WRITE));
}

/* Others that remember it as read-only fault, and find that it is not. */
static void reuse(const struct entry *entry, uint64_t virt)
{
	uint64_t leaf = entry->value;

	while (!atomic_compare_exchange_weak_explicit(entry->at, &leaf, made_writable(leaf),
						      memory_order_relaxed, memory_order_relaxed))
		;
	mmu_flush_page(virt);
}

/* The reference is put last: who then finds that it has the only one may write to the frame. */
static void replace(struct aspace *aspace, const struct entry *entry, uint64_t virt, uint64_t copy)
{
	uint64_t old = mmu_leaf_phys(entry->value, 1);

	atomic_store_explicit(entry->at, 0, memory_order_relaxed);
	flush_range(aspace, virt & ~(PAGE_SIZE - 1), 1, false);
	/* Release: who reads through it finds the copy complete. */
	atomic_store_explicit(entry->at, mmu_moved(made_writable(entry->value), copy),
			      memory_order_release);
	page_put(old, 1);
}

static void copy(struct aspace *aspace, const struct entry *entry, uint64_t virt, uint64_t page)
{
	memcpy(phys_to_virt(page), phys_to_virt(mmu_leaf_phys(entry->value, 1)), PAGE_SIZE);
	replace(aspace, entry, virt, page);
}

/* Of a large page only as much is copied as must be: a table for each split, and the copy. */
static int copy_part(struct aspace *aspace, struct entry *entry, uint64_t virt)
{
	struct reserve pages;
	int error = reserve_fill(&pages, entry->level, 1);

	if (error)
		return error;
	while (entry->level > 1) {
		huge_split_with(aspace, entry, virt, reserve_take(&pages));
		*entry = table_find(aspace, virt);
	}
	copy(aspace, entry, virt, reserve_take(&pages));
	return 0;
}

int cow_break(struct aspace *aspace, struct entry *entry, uint64_t virt)
{
	uint64_t page;

	if (!page_is_shared(mmu_leaf_phys(entry->value, entry->level), entry->level)) {
		reuse(entry, virt);
		return 0;
	}
	if (entry->level > 1)
		return copy_part(aspace, entry, virt);
	page = page_alloc(1);
	if (!page)
		return -ENOMEM;
	copy(aspace, entry, virt, page);
	return 0;
}

/* From here on this leaf is read-only, and copied before it is written. Whether it was not. */
static bool make_cow(struct entry *entry)
{
	enum map_flags may = (mmu_leaf_flags(entry->value) & MAP_EXEC) | MAP_COW;
	uint64_t bits = mmu_may_bits(may), leaf;

	if (!mmu_writable(entry->value) || mmu_is_foreign(entry->value))
		return false;
	do {
		leaf = mmu_with_may(entry->value, bits);
	} while (!atomic_compare_exchange_weak_explicit(entry->at, &entry->value, leaf,
							memory_order_relaxed,
							memory_order_relaxed));
	entry->value = leaf;
	return true;
}

static void clone_leaf(struct tlb_batch *batch, struct entry *entry, uint64_t virt,
		       struct aspace *to, struct reserve *tables)
{
	uint64_t phys = mmu_leaf_phys(entry->value, entry->level);

	if (make_cow(entry))
		tlb_batch_note(batch, virt, virt + mmu_size(entry->level), 1);
	if (!mmu_is_foreign(entry->value))
		page_get(phys, entry->level);
	table_put(to, virt, entry->level, entry->value, tables);
}

static void clone_all(struct tlb_batch *batch, struct aspace *to, struct reserve *tables)
{
	struct aspace *from = batch->aspace;

	for (uint64_t virt = from->start; virt < from->end;) {
		struct entry entry = table_find(from, virt);

		if (entry_is_leaf(&entry))
			clone_leaf(batch, &entry, virt, to, tables);
		virt = entry_end(&entry, virt);
	}
}

static int clone_into(struct tlb_batch *batch, struct aspace *to)
{
	struct reserve tables;
	int error = reserve_fill(&tables, batch->aspace->tables, 1);

	if (error)
		return error;
	clone_all(batch, to, &tables);
	reserve_drop(&tables);
	return 0;
}

/* The flush is over before anybody can use the copy. */
int aspace_clone(struct aspace *from, struct aspace **to)
{
	struct tlb_batch batch;
	struct aspace *copied;
	int error;

	if (from == &kernel_aspace)
		return -EINVAL;
	error = tlb_batch_begin(&batch, from);
	if (error)
		return error;
	copied = aspace_create();
	error = copied ? clone_into(&batch, copied) : -ENOMEM;
	tlb_batch_end(&batch);
	if (!error)
		*to = copied;
	else if (copied)
		aspace_destroy(copied);
	return error;
}

/*
 * Page tables: finding entries, making tables, dropping those that became empty. The caller
 * holds the space's lock.
 *
 * A user space's table has one reference for itself and one for each entry in use, so the last
 * entry that goes shows that the table can go.
 */
#ifndef KERNEL_MM_TABLE_H
#define KERNEL_MM_TABLE_H

#include <arch/mmu.h>
#include <kernel/mm/aspace.h>
#include <kernel/mm/batch.h>
#include <stdatomic.h>

/* Where the walk for an address ended: at a leaf, or at an entry that is not present. */
struct entry {
	_Atomic uint64_t *at;
	uint64_t value;
	unsigned int level;
};

static inline _Atomic uint64_t *table_at(uint64_t entry)
{
	return phys_to_virt(mmu_table_phys(entry));
}

static inline bool entry_is_leaf(const struct entry *entry)
{
	return mmu_present(entry->value);
}

/* One step down the walk; whether it ends here. The level is a constant where it is inlined. */
static inline __attribute__((always_inline)) bool
table_step(struct entry *entry, _Atomic uint64_t **table, uint64_t virt, unsigned int level)
{
	entry->level = level;
	entry->at = &(*table)[mmu_slot(virt, level)];
	entry->value = atomic_load_explicit(entry->at, memory_order_relaxed);
	if (!mmu_present(entry->value) || mmu_is_leaf(entry->value, level))
		return true;
	*table = table_at(entry->value);
	return false;
}

static inline __attribute__((always_inline)) struct entry table_find(const struct aspace *aspace,
								     uint64_t virt)
{
	_Atomic uint64_t *table = aspace->top;
	struct entry entry;

	static_assert(MMU_LEVELS == 4, "so many steps");
	if (!table_step(&entry, &table, virt, 4) && !table_step(&entry, &table, virt, 3) &&
	    !table_step(&entry, &table, virt, 2))
		table_step(&entry, &table, virt, 1);
	return entry;
}

/* The next address that this entry says nothing about. */
static inline uint64_t entry_end(const struct entry *entry, uint64_t virt)
{
	return (virt | (mmu_size(entry->level) - 1)) + 1;
}

/*
 * Entries in a row in one table, from the one for virt on, as far as [virt, end) goes: where
 * pages are small all of them, since below them is nothing; elsewhere one.
 */
struct run {
	struct entry entry; /* the first */
	unsigned int count;
	uint64_t start, next; /* what they are about: it may reach over virt and end */
};

static inline __attribute__((always_inline)) struct run table_run(const struct aspace *aspace,
								  uint64_t virt, uint64_t end)
{
	struct run run = { table_find(aspace, virt), 1, 0, 0 };

	if (__builtin_expect(run.entry.level != 1, 0)) {
		run.next = entry_end(&run.entry, virt);
		run.start = run.next - mmu_size(run.entry.level);
		return run;
	}
	run.start = virt;
	run.next = (virt | (mmu_size(2) - 1)) + 1;
	if (run.next > end)
		run.next = end;
	run.count = (unsigned int)((run.next - virt) / PAGE_SIZE);
	return run;
}

/* Pages that are got before anything is changed; the first word of each leads to the next. */
struct reserve {
	uint64_t first;
	unsigned int level;
};

/* count zeroed pages of a level. 0, or -ENOMEM and none at all. */
int reserve_fill(struct reserve *reserve, uint64_t count, unsigned int level);

/* One of them, zeroed; there must be one. And what is left, back. */
uint64_t reserve_take(struct reserve *reserve);
void reserve_drop(struct reserve *reserve);

/*
 * How many tables are missing for leaves of a level in [start, end), in *missing. -EEXIST if
 * anything is mapped there.
 */
int table_count_missing(const struct aspace *aspace, uint64_t start, uint64_t end,
			unsigned int level, uint64_t *missing);

/* Writes a leaf where nothing is; tables that are missing come from reserve. */
void table_put(struct aspace *aspace, uint64_t virt, unsigned int level, uint64_t leaf,
	       struct reserve *reserve);

/* Takes leaves out; what they held goes into the batch. */
void table_clear(struct tlb_batch *batch, const struct run *run);

/* The entry of a level on the way to an address; the way must go so far down. */
_Atomic uint64_t *table_way(const struct aspace *aspace, uint64_t virt, unsigned int level);

/* After leaves below virt were cleared: takes out the tables that became empty. */
void table_prune(struct tlb_batch *batch, uint64_t virt);

#endif

/*
 * What can be done to an address space.
 *
 * Everything that may fail comes first: the range is looked at, then what will be needed is got,
 * and only then is anything changed.
 */
#include <arch/mmu.h>
#include <kernel/mm/aspace.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/huge.h>
#include <kernel/mm/table.h>
#include <lib/errno.h>

#define MAY_SAY (MAP_WRITE | MAP_EXEC | MAP_UNCACHED | MAP_WRITE_COMBINING | MAP_FOREIGN)

static bool is_range(const struct aspace *aspace, uint64_t virt, uint64_t length, uint64_t size)
{
	return length && !((virt | length) & (size - 1)) && virt >= aspace->start &&
	       virt < aspace->end && length <= aspace->end - virt;
}

static bool is_level(unsigned int level)
{
	return level >= 1 && level <= (mmu_has_1gb ? 3 : 2);
}

static bool are_flags(enum map_flags flags, unsigned int allowed)
{
	return !(flags & ~allowed) && (flags & (MAP_WRITE | MAP_EXEC)) != (MAP_WRITE | MAP_EXEC);
}

/* What lies in the kernel's window vmap keeps account of. */
static bool is_users(const struct aspace *aspace)
{
	return aspace != &kernel_aspace;
}

/* Whether somebody has a reference to each of the frames, so that more may be taken. */
static bool are_held(uint64_t phys, uint64_t length)
{
	for (uint64_t at = phys; at < phys + length; at += PAGE_SIZE) {
		if (!frame_refs(at))
			return false;
	}
	return true;
}

static bool is_memory(uint64_t phys, uint64_t length, unsigned int level, enum map_flags flags)
{
	if (phys & (mmu_size(level) - 1) || phys >= mmu_phys_end || length > mmu_phys_end - phys)
		return false;
	return flags & MAP_FOREIGN || are_held(phys, length);
}

/* Nothing may be mapped there yet; tables for it, into reserve. */
static int prepare(struct aspace *aspace, uint64_t virt, uint64_t length, unsigned int level,
		   struct reserve *tables)
{
	uint64_t missing;
	int error = table_count_missing(aspace, virt, virt + length, level, &missing);

	return error ? error : reserve_fill(tables, missing, 1);
}

int aspace_map(struct aspace *aspace, uint64_t virt, uint64_t phys, uint64_t length,
	       unsigned int level, enum map_flags flags)
{
	uint64_t bits, end = virt + length;
	struct reserve tables;
	int error;

	if (!is_users(aspace) || !is_level(level) || !are_flags(flags, MAY_SAY) ||
	    !is_range(aspace, virt, length, mmu_size(level)) ||
	    !is_memory(phys, length, level, flags))
		return -EINVAL;
	error = aspace_lock(&aspace->lock);
	if (error)
		return error;
	error = prepare(aspace, virt, length, level, &tables);
	bits = mmu_leaf_bits(level, flags | aspace->always);
	for (; !error && virt < end; virt += mmu_size(level), phys += mmu_size(level)) {
		if (!(flags & MAP_FOREIGN))
			page_get(phys, level);
		table_put(aspace, virt, level, phys | bits, &tables);
	}
	aspace_unlock(&aspace->lock);
	return error;
}

static int populate(struct aspace *aspace, uint64_t virt, uint64_t length, unsigned int level,
		    enum map_flags flags, struct reserve *pages)
{
	uint64_t bits = mmu_leaf_bits(level, flags | aspace->always), end = virt + length;
	struct reserve tables;
	int error = prepare(aspace, virt, length, level, &tables);

	for (; !error && virt < end; virt += mmu_size(level))
		table_put(aspace, virt, level, reserve_take(pages) | bits, &tables);
	return error;
}

int aspace_populate(struct aspace *aspace, uint64_t virt, uint64_t length, unsigned int level,
		    enum map_flags flags)
{
	struct reserve pages;
	int error;

	if (!is_users(aspace) || !is_level(level) ||
	    !are_flags(flags, MAY_SAY & ~(unsigned int)MAP_FOREIGN) ||
	    !is_range(aspace, virt, length, mmu_size(level)))
		return -EINVAL;
	error = reserve_fill(&pages, length / mmu_size(level), level);
	if (error)
		return error;
	error = aspace_lock(&aspace->lock);
	if (!error) {
		error = populate(aspace, virt, length, level, flags, &pages);
		aspace_unlock(&aspace->lock);
	}
	reserve_drop(&pages);
	return error;
}

static inline bool are_leaves(const struct run *run)
{
	const _Atomic uint64_t *at = run->entry.at, *end = at + run->count;
	uint64_t all = run->entry.value;

	while (++at != end)
		all &= atomic_load_explicit(at, memory_order_relaxed);
	return mmu_present(all);
}

/* Whether large pages reach over an end, if all of it is mapped; else -ENOENT. */
static int look_at(const struct aspace *aspace, uint64_t start, uint64_t end)
{
	bool reach_over = false;

	for (uint64_t virt = start; virt < end;) {
		struct run run = table_run(aspace, virt, end);

		if (!are_leaves(&run))
			return -ENOENT;
		reach_over |= run.start < start || run.next > end;
		virt = run.next;
	}
	return reach_over;
}

static int __attribute__((noinline))
prepare_more(struct tlb_batch *batch, uint64_t virt, uint64_t end, struct run *first)
{
	int found = look_at(batch->aspace, virt, end);

	if (found > 0)
		found = huge_split_ends(batch, virt, end);
	if (!found)
		*first = table_run(batch->aspace, virt, end);
	return found;
}

/*
 * All of it is mapped, and whole pages lie in it, when this returns 0; then the first run of it
 * is in *first. Mostly that is all of it.
 */
static inline int prepare_change(struct tlb_batch *batch, uint64_t virt, uint64_t end,
				 struct run *first)
{
	*first = table_run(batch->aspace, virt, end);
	if (__builtin_expect(first->start == virt && first->next == end, 1))
		return are_leaves(first) ? 0 : -ENOENT;
	return prepare_more(batch, virt, end, first);
}

int tlb_batch_unmap(struct tlb_batch *batch, uint64_t virt, uint64_t length)
{
	uint64_t end = virt + length;
	struct run run;
	int error;

	if (!is_range(batch->aspace, virt, length, PAGE_SIZE))
		return -EINVAL;
	error = prepare_change(batch, virt, end, &run);
	if (error)
		return error;
	for (;; run = table_run(batch->aspace, run.next, end)) {
		table_clear(batch, &run);
		table_prune(batch, run.start);
		if (run.next == end)
			return 0;
	}
}

int aspace_unmap(struct aspace *aspace, uint64_t virt, uint64_t length)
{
	struct tlb_batch batch;
	int error = tlb_batch_begin(&batch, aspace);

	if (error)
		return error;
	error = tlb_batch_unmap(&batch, virt, length);
	tlb_batch_end(&batch);
	return error;
}

/* Gives a leaf other bits of what may be done. The hardware may set others meanwhile. */
static inline uint64_t change_leaf(_Atomic uint64_t *at, uint64_t bits)
{
	uint64_t leaf = atomic_load_explicit(at, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(at, &leaf, mmu_with_may(leaf, bits),
						      memory_order_relaxed, memory_order_relaxed))
		;
	return leaf;
}

/*
 * What others hold, too, a user may write after a copy only. Nobody else can take a reference to
 * a frame of which this space holds the only one.
 */
static uint64_t __attribute__((noinline))
bits_to_write(uint64_t leaf, unsigned int level, enum map_flags flags)
{
	if (mmu_is_users(leaf) && !mmu_is_foreign(leaf) &&
	    page_is_shared(mmu_leaf_phys(leaf, level), level))
		flags = (flags & ~(unsigned int)MAP_WRITE) | MAP_COW;
	return mmu_may_bits(flags);
}

/* Whether anybody must forget what these leaves said. */
static inline bool protect_run(const struct run *run, enum map_flags flags)
{
	_Atomic uint64_t *at = run->entry.at, *end = at + run->count;
	uint64_t bits = mmu_may_bits(flags), lost = 0;

	for (; at != end; at++) {
		if (flags & MAP_WRITE)
			bits = bits_to_write(atomic_load_explicit(at, memory_order_relaxed),
					     run->entry.level, flags);
		lost |= mmu_lost(change_leaf(at, bits), bits);
	}
	return lost;
}

static int protect(struct tlb_batch *batch, uint64_t virt, uint64_t end, enum map_flags flags)
{
	struct run run;
	int error = prepare_change(batch, virt, end, &run);

	if (error)
		return error;
	for (;; run = table_run(batch->aspace, run.next, end)) {
		if (protect_run(&run, flags))
			tlb_batch_note(batch, run.start, run.next, run.count);
		if (run.next == end)
			return 0;
	}
}

int aspace_protect(struct aspace *aspace, uint64_t virt, uint64_t length, enum map_flags flags)
{
	struct tlb_batch batch;
	int error;

	if (!are_flags(flags, MAP_WRITE | MAP_EXEC) || !is_range(aspace, virt, length, PAGE_SIZE))
		return -EINVAL;
	error = tlb_batch_begin(&batch, aspace);
	if (error)
		return error;
	error = protect(&batch, virt, virt + length, flags);
	tlb_batch_end(&batch);
	return error;
}

int aspace_walk(struct aspace *aspace, uint64_t virt, struct aspace_page *page)
{
	struct entry entry;
	int error;

	if (virt < aspace->start || virt >= aspace->end)
		return -EINVAL;
	error = aspace_lock(&aspace->lock);
	if (error)
		return error;
	entry = table_find(aspace, virt);
	aspace_unlock(&aspace->lock);
	if (!entry_is_leaf(&entry))
		return -ENOENT;
	*page = (struct aspace_page){
		.virt = virt & ~(mmu_size(entry.level) - 1),
		.phys = mmu_leaf_phys(entry.value, entry.level),
		.level = entry.level,
		.flags = mmu_leaf_flags(entry.value),
	};
	return 0;
}

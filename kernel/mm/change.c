/*
 * What is taken out of an address space, or may be used otherwise from now on: whoever remembers
 * it must forget it.
 *
 * As in map.c, everything that may fail comes first.
 */
#include <arch/mmu.h>
#include <kernel/mm/arguments.h>
#include <kernel/mm/aspace.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/huge.h>
#include <kernel/mm/table.h>
#include <lib/errno.h>

static inline bool are_leaves(const struct run *run)
{
	const _Atomic uint64_t *at = run->entry.at, *end = at + run->count;
	uint64_t all = run->entry.value;

	while (++at != end)
		all &= atomic_load_explicit(at, memory_order_relaxed);
	return mmu_present(all);
}

/* Mostly the first run is all there is: that one is found in place, others by a call. */
static struct run __attribute__((noinline))
another_run(const struct aspace *aspace, uint64_t virt, uint64_t end)
{
	return table_run(aspace, virt, end);
}

/* Whether large pages reach over an end, if all of it is mapped; else -ENOENT. */
static int look_at(const struct aspace *aspace, uint64_t start, uint64_t end)
{
	bool reach_over = false;

	for (uint64_t virt = start; virt < end;) {
		struct run run = another_run(aspace, virt, end);

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
		*first = another_run(batch->aspace, virt, end);
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
	for (;; run = another_run(batch->aspace, run.next, end)) {
		table_clear(batch, &run);
		table_prune(batch, run.start);
		if (run.next == end)
			return 0;
	}
}

int aspace_unmap(struct aspace *aspace, uint64_t virt, uint64_t length)
{
	struct tlb_batch batch;
	int error;

	if (aspace == &kernel_aspace)
		return -EINVAL;
	error = tlb_batch_begin(&batch, aspace);
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

/*
 * Who remembers less of a user's page than may be done by now faults, and forgets it (SDM vol. 3
 * §4.10.4.3). In the kernel's half nobody serves that fault.
 */
static int protect(struct tlb_batch *batch, uint64_t virt, uint64_t end, enum map_flags flags)
{
	struct run run;
	int error = prepare_change(batch, virt, end, &run);

	if (error)
		return error;
	for (;; run = another_run(batch->aspace, run.next, end)) {
		if (protect_run(&run, flags) || batch->aspace == &kernel_aspace)
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

/*
 * Address spaces: made and taken apart.
 */
#include <arch/mmu.h>
#include <kernel/mm/aspace.h>
#include <kernel/mm/flush.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/table.h>
#include <kernel/panic.h>
#include <lib/errno.h>
#include <lib/string.h>

static_assert(sizeof(struct aspace) <= PAGE_SIZE, "it lives in a frame of its own");

struct aspace aspace_none;

struct aspace kernel_aspace = {
	.line.gen = TLB_GEN_FIRST,
	.start = VMAP_START,
	.end = VMAP_END,
};

static _Atomic uint64_t next_id = 1;

void aspace_start(void)
{
	kernel_aspace.top = phys_to_virt(mmu_kernel_root());
}

struct aspace *aspace_create(void)
{
	uint64_t frame = frame_alloc(), top = frame_alloc();
	struct aspace *aspace;

	if (!frame || !top) {
		if (frame)
			frame_free(frame);
		if (top)
			frame_free(top);
		return NULL;
	}
	aspace = phys_to_virt(frame);
	aspace->top = phys_to_virt(top);
	mmu_share_kernel_half(phys_to_virt(top));
	aspace->id = atomic_fetch_add_explicit(&next_id, 1, memory_order_relaxed);
	aspace->start = USER_START;
	aspace->end = USER_END;
	aspace->always = MAP_USER;
	atomic_store_explicit(&aspace->line.gen, TLB_GEN_FIRST, memory_order_relaxed);
	return aspace;
}

static bool is_used(const struct aspace *aspace)
{
	for (unsigned int i = 0; i < CPUMASK_WORDS; i++) {
		if (cpumask_word_acquire(&aspace->cpus, i))
			return true;
	}
	return false;
}

/* All that is mapped; the last leaf of a table takes the table with it. The top table goes, too. */
static void unmap_all(struct tlb_batch *batch)
{
	struct aspace *aspace = batch->aspace;
	uint64_t virt = aspace->start;

	while (virt < aspace->end) {
		struct run run = table_run(aspace, virt, virt + PAGE_SIZE);

		if (entry_is_leaf(&run.entry)) {
			table_clear(batch, &run);
			table_prune(batch, virt);
		}
		virt = run.next;
	}
	batch->tables = true;
}

int aspace_destroy(struct aspace *aspace)
{
	struct tlb_batch batch;
	int error;

	if (aspace == &kernel_aspace)
		return -EINVAL;
	error = tlb_batch_begin(&batch, aspace);
	if (error)
		return error;
	if (is_used(aspace)) {
		tlb_batch_end(&batch);
		return -EBUSY;
	}
	unmap_all(&batch);
	tlb_batch_end(&batch);
	BUG_ON(aspace->tables);
	frame_free(virt_to_phys((const void *)aspace->top));
	frame_free(virt_to_phys(aspace));
	return 0;
}

/*
 * Batches: one shootdown for many changes.
 */
#include <kernel/mm/batch.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/flush.h>

static_assert(MMU_LEVELS < PAGE_SIZE, "a level fits below a page's address");

int tlb_batch_begin_from(struct tlb_batch *batch, struct aspace *aspace, const void *caller)
{
	batch->aspace = aspace;
	batch->start = batch->end = 0;
	batch->leaves = batch->count = 0;
	batch->tables = false;
	return aspace_lock_from(&aspace->lock, caller);
}

/* Only after the flush: until then somebody may still write there. */
static void put_pages(struct tlb_batch *batch)
{
	for (unsigned int i = 0; i < batch->count; i++)
		page_put(batch->pages[i] & ~(PAGE_SIZE - 1), batch->pages[i] & (PAGE_SIZE - 1));
	batch->count = 0;
}

/*
 * One leaf of any size is one page to flush. Who frees tables flushes everything, since other
 * CPUs remember the way through them.
 */
uint64_t tlb_batch_pages(const struct tlb_batch *batch)
{
	uint64_t pages = batch->leaves == 1 ? 1 : (batch->end - batch->start) / PAGE_SIZE;

	return batch->tables || pages > tlb_full ? FLUSH_ALL : pages;
}

void tlb_batch_flush(struct tlb_batch *batch)
{
	uint64_t pages = tlb_batch_pages(batch);

	if (!batch->leaves && !batch->tables)
		return;
	if (batch->aspace == &kernel_aspace)
		flush_kernel_range(batch->start, pages);
	else
		flush_range(batch->aspace, batch->start, pages, batch->tables);
	put_pages(batch);
	batch->leaves = 0;
	batch->tables = false;
}

void tlb_batch_end(struct tlb_batch *batch)
{
	tlb_batch_flush(batch);
	aspace_unlock(&batch->aspace->lock);
}

void tlb_batch_table(struct tlb_batch *batch, uint64_t phys)
{
	tlb_batch_room(batch, 1);
	tlb_batch_page(batch, phys, 1);
	batch->tables = true;
}

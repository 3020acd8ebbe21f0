/*
 * Changes of one space, gathered so that one shootdown serves all of them; what they freed is
 * given back after it.
 *
 *   begin ─► … the tables are changed, the batch is told … ─► end: flush, free, unlock
 *
 * The space is locked from begin to end, so nobody finds it half flushed. When there is no room
 * for more pages, those that are there are flushed and freed early.
 */
#ifndef KERNEL_MM_BATCH_H
#define KERNEL_MM_BATCH_H

#include <arch/mmu.h>
#include <kernel/mm/aspace.h>
#include <stdbool.h>
#include <stdint.h>

#define TLB_BATCH_PAGES 128

struct tlb_batch {
	struct aspace *aspace;
	uint64_t start, end; /* what must be flushed lies in here */
	unsigned int leaves; /* entries that were changed */
	unsigned int count;
	bool tables;                     /* some of the pages are tables */
	uint64_t pages[TLB_BATCH_PAGES]; /* to be put: address and level in one */
};

/*
 * begin: thread context, interrupts on. 0 or -EDEADLK; then there is nothing to end. end: frees
 * what was unmapped, and returns when no CPU can use any of it.
 */
int tlb_batch_begin_from(struct tlb_batch *batch, struct aspace *aspace, const void *caller);
#define tlb_batch_begin(batch, aspace) \
	tlb_batch_begin_from(batch, aspace, __builtin_return_address(0))
void tlb_batch_end(struct tlb_batch *batch);

/* As aspace_unmap; of the kernel's window only vunmap may. */
int tlb_batch_unmap(struct tlb_batch *batch, uint64_t virt, uint64_t length);

/* How many pages that is from start on; FLUSH_ALL for everything. */
uint64_t tlb_batch_pages(const struct tlb_batch *batch);

/* What has come together so far, now. */
void tlb_batch_flush(struct tlb_batch *batch);

/* For those who change tables: what leaves in [start, end) said must be forgotten. */
static inline void tlb_batch_note(struct tlb_batch *batch, uint64_t start, uint64_t end,
				  unsigned int leaves)
{
	if (!batch->leaves || start < batch->start)
		batch->start = start;
	if (!batch->leaves || end > batch->end)
		batch->end = end;
	batch->leaves += leaves;
}

/*
 * For how many pages, of those that are wanted, there is room; at least one. What is in the batch
 * already may be flushed for that, so it is asked before anything more is noted.
 */
static inline unsigned int tlb_batch_room(struct tlb_batch *batch, unsigned int wanted)
{
	unsigned int room;

	if (__builtin_expect(batch->count == TLB_BATCH_PAGES, 0))
		tlb_batch_flush(batch);
	room = TLB_BATCH_PAGES - batch->count;
	return wanted < room ? wanted : room;
}

/* A page of a noted leaf that the space does not hold any more. There is room. */
static inline void tlb_batch_page(struct tlb_batch *batch, uint64_t phys, unsigned int level)
{
	batch->pages[batch->count++] = phys | level;
}

/* A table that no entry leads to any more. */
void tlb_batch_table(struct tlb_batch *batch, uint64_t phys);

#endif

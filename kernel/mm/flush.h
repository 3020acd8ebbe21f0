/*
 * The parts of the shootdown, for the files of kernel/mm, and for what is compared with it.
 */
#ifndef KERNEL_MM_FLUSH_H
#define KERNEL_MM_FLUSH_H

#include <arch/mmu.h>
#include <kernel/mm/aspace.h>

#define FLUSH_ALL 0 /* instead of a number of pages */

/*
 * No CPU uses the old translations of pages from start on any more when it returns; with tables,
 * none can walk through tables that were taken out either. The space is locked; interrupts on.
 * Not of kernel_aspace, which nobody is noted to use.
 */
void flush_range(struct aspace *aspace, uint64_t start, uint64_t pages, bool tables);

/* The same of the kernel's half, on all CPUs. kernel_aspace is locked. */
void flush_kernel_range(uint64_t start, uint64_t pages);

/* What is waited for. */
struct flush_wait {
	const struct aspace *aspace;
	const void *func; /* that waits, for reports */
	uint64_t gen, start, pages;
	bool tables;
};

/* Whether a CPU has flushed, or will before it uses the space again. Any context. */
bool flush_is_done(const struct flush_wait *wait, unsigned int cpu);

/* Waits for one CPU that has not answered at once; reports it if that takes long. */
void flush_wait_for(const struct flush_wait *wait, unsigned int cpu);

/*
 * By the CPU that flushed, or is about to and touches nothing meanwhile. Release: pairs with the
 * acquire of who waits; all that was read and written here through old translations comes before.
 */
static inline void flush_answer(_Atomic uint64_t *mine, uint64_t gen)
{
	atomic_store_explicit(mine, gen, memory_order_release);
}

/* At least one; mostly it is one. */
static inline void flush_pages(uint64_t start, uint64_t pages)
{
	mmu_flush_page(start);
	while (__builtin_expect(--pages, 0)) {
		start += PAGE_SIZE;
		mmu_flush_page(start);
	}
}

/* This CPU walks no tables but the kernel's from now on. Interrupts off, no space active. */
void tlb_load_kernel(struct tlb *tlb);

/* The same if it idles on tables of which some were freed since it used them. Interrupts off. */
void tlb_leave_freed_tables(struct tlb *tlb);

#endif

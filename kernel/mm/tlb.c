/*
 * The public face of the shootdown.
 */
#include <kernel/bootword.h>
#include <kernel/mm/flush.h>
#include <kernel/panic.h>
#include <lib/errno.h>

uint64_t tlb_full = 32;
BOOT_WORD_NUMBER(tlb_full, 1, 1u << 20, tlb_full, "pages that are flushed one by one, at most");

static uint64_t pages_in(uint64_t start, uint64_t end)
{
	uint64_t pages = (end - start) / PAGE_SIZE;

	BUG_ON((start | end) % PAGE_SIZE || start >= end);
	return pages > tlb_full ? FLUSH_ALL : pages;
}

void flush_tlb_page(struct aspace *aspace, uint64_t virt)
{
	BUG_ON(!aspace_is_locked(&aspace->lock));
	flush_range(aspace, virt, 1, false);
}

void flush_tlb_range(struct aspace *aspace, uint64_t start, uint64_t end)
{
	BUG_ON(!aspace_is_locked(&aspace->lock));
	flush_range(aspace, start, pages_in(start, end), false);
}

void flush_tlb_aspace(struct aspace *aspace)
{
	BUG_ON(!aspace_is_locked(&aspace->lock));
	flush_range(aspace, 0, FLUSH_ALL, false);
}

void flush_tlb_kernel_range(uint64_t start, uint64_t end)
{
	BUG_ON(!aspace_is_locked(&kernel_aspace.lock));
	flush_kernel_range(start, pages_in(start, end));
}

int flush_tlb_all(void)
{
	int error = aspace_lock(&kernel_aspace.lock);

	if (error)
		return error;
	flush_kernel_range(0, FLUSH_ALL);
	aspace_unlock(&kernel_aspace.lock);
	return 0;
}

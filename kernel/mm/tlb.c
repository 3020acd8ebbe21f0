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

/* Of the kernel's half nobody is noted as a user: there everybody is. */
static void flush(struct aspace *aspace, uint64_t start, uint64_t pages)
{
	BUG_ON(!aspace_is_locked(&aspace->lock));
	if (aspace == &kernel_aspace)
		flush_kernel_range(start, pages);
	else
		flush_range(aspace, start, pages, false);
}

void flush_tlb_page(struct aspace *aspace, uint64_t virt)
{
	flush(aspace, virt, 1);
}

void flush_tlb_range(struct aspace *aspace, uint64_t start, uint64_t end)
{
	flush(aspace, start, pages_in(start, end));
}

void flush_tlb_aspace(struct aspace *aspace)
{
	flush(aspace, 0, FLUSH_ALL);
}

void flush_tlb_kernel_range(uint64_t start, uint64_t end)
{
	flush(&kernel_aspace, start, pages_in(start, end));
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

/*
 * The public face of the shootdown.
 */
#include <kernel/bootword.h>
#include <kernel/mm/flush.h>
#include <kernel/panic.h>
#include <lib/errno.h>

/*
 * Until somebody has measured: as if to forget one page took as long as to remember two again, of
 * the 64 that a program comes back to. The report says where it is on the machine.
 */
uint64_t tlb_full = 32;
BOOT_WORD_NUMBER(tlb_full, 1, 1u << 20, tlb_full, "pages that are flushed one by one, at most");

/* Of the kernel's half nobody is noted as a user: there everybody is. */
static void flush(struct aspace *aspace, uint64_t start, uint64_t pages)
{
	BUG_ON(!aspace_is_locked(&aspace->lock));
	if (aspace == &kernel_aspace)
		flush_kernel_range(start, pages);
	else
		flush_range(aspace, start, pages, false);
}

int flush_tlb_page(struct aspace *aspace, uint64_t virt)
{
	return flush_tlb_range(aspace, virt, virt + PAGE_SIZE);
}

/* Of the kernel's half more than the window may be meant. */
int flush_tlb_range(struct aspace *aspace, uint64_t start, uint64_t end)
{
	bool kernel = aspace == &kernel_aspace;
	uint64_t pages = (end - start) / PAGE_SIZE;

	if ((start | end) % PAGE_SIZE || start >= end ||
	    start < (kernel ? DIRECT_MAP : aspace->start) || (!kernel && end > aspace->end))
		return -EINVAL;
	flush(aspace, start, pages > tlb_full ? FLUSH_ALL : pages);
	return 0;
}

void flush_tlb_aspace(struct aspace *aspace)
{
	flush(aspace, 0, FLUSH_ALL);
}

int flush_tlb_kernel_range(uint64_t start, uint64_t end)
{
	return flush_tlb_range(&kernel_aspace, start, end);
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

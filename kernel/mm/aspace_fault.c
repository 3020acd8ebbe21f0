/*
 * Letting an access go on that faulted.
 */
#include <arch/mmu.h>
#include <kernel/mm/cow.h>
#include <kernel/mm/table.h>
#include <lib/errno.h>

/* The entry allows it by now: another CPU was faster, or this one remembered an older entry. */
static int forget_and_retry(uint64_t address)
{
	mmu_flush_page(address);
	return 0;
}

static int serve(struct aspace *aspace, uint64_t address, enum map_flags wants)
{
	struct entry entry = table_find(aspace, address);
	enum map_flags flags;

	if (!entry_is_leaf(&entry))
		return -EFAULT;
	flags = mmu_leaf_flags(entry.value);
	if (!(wants & ~flags))
		return forget_and_retry(address);
	if (wants == MAP_WRITE && flags & MAP_COW)
		return cow_break(aspace, &entry, address);
	return -EFAULT;
}

int aspace_fault(struct aspace *aspace, uint64_t address, enum map_flags wants)
{
	int error;

	if (address < aspace->start || address >= aspace->end)
		return -EFAULT;
	error = aspace_lock(&aspace->lock);
	if (error)
		return error;
	error = serve(aspace, address, wants);
	aspace_unlock(&aspace->lock);
	return error;
}

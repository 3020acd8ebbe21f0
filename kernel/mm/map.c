/*
 * What is mapped anew in an address space, and what is mapped there.
 *
 * Everything that may fail comes first: the range is looked at, then what will be needed is got,
 * and only then is anything changed.
 */
#include <arch/mmu.h>
#include <kernel/mm/arguments.h>
#include <kernel/mm/aspace.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/table.h>
#include <lib/errno.h>

#define MAY_SAY (MAP_WRITE | MAP_EXEC | MAP_UNCACHED | MAP_WRITE_COMBINING | MAP_FOREIGN)

static bool is_level(unsigned int level)
{
	return level >= 1 && level <= (mmu_has_1gb ? 3 : 2);
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

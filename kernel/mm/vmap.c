/*
 * The kernel's window for frames. A bit for each of its pages says whether it belongs to an area,
 * another one where an area ends. Guarded by the lock of kernel_aspace.
 */
#include <arch/mmu.h>
#include <kernel/mm/batch.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/table.h>
#include <kernel/mm/vmap.h>
#include <lib/errno.h>

#define MAY_SAY (MAP_WRITE | MAP_EXEC | MAP_UNCACHED | MAP_WRITE_COMBINING | MAP_FOREIGN)

static uint64_t taken[VMAP_PAGES / 64], ends[VMAP_PAGES / 64];

static bool is_set(const uint64_t *bits, unsigned int page)
{
	return bits[page / 64] >> page % 64 & 1;
}

static void set(uint64_t *bits, unsigned int page, bool on)
{
	uint64_t bit = 1ull << page % 64;

	bits[page / 64] = on ? bits[page / 64] | bit : bits[page / 64] & ~bit;
}

static uint64_t address_of(unsigned int page)
{
	return VMAP_START + page * PAGE_SIZE;
}

/* The first page of count in a row that are free, as is the one behind; VMAP_PAGES: none. */
static unsigned int find_room(unsigned int count)
{
	unsigned int in_a_row = 0;

	for (unsigned int page = 0; page < VMAP_PAGES; page++) {
		in_a_row = is_set(taken, page) ? 0 : in_a_row + 1;
		if (in_a_row == count + 2)
			return page - count;
	}
	return VMAP_PAGES;
}

static bool are_frames(const uint64_t *frames, unsigned int count, enum map_flags flags)
{
	for (unsigned int i = 0; i < count; i++) {
		if (frames[i] % PAGE_SIZE || frames[i] >= mmu_phys_end)
			return false;
		if (!(flags & MAP_FOREIGN) && !frame_refs(frames[i]))
			return false;
	}
	return true;
}

static void fill(unsigned int page, const uint64_t *frames, unsigned int count,
		 enum map_flags flags, struct reserve *tables)
{
	for (unsigned int i = 0; i < count; i++) {
		if (!(flags & MAP_FOREIGN))
			page_get(frames[i], 1);
		table_put(&kernel_aspace, address_of(page + i), 1,
			  frames[i] | mmu_leaf_bits(1, flags), tables);
		set(taken, page + i, true);
	}
	set(ends, page + count - 1, true);
}

static int map(const uint64_t *frames, unsigned int count, enum map_flags flags, void **virt)
{
	unsigned int page = find_room(count);
	struct reserve tables;
	uint64_t missing;
	int error;

	if (page == VMAP_PAGES)
		return -ENOSPC;
	error = table_count_missing(&kernel_aspace, address_of(page), address_of(page + count), 1,
				    &missing);
	if (!error)
		error = reserve_fill(&tables, missing, 1);
	if (error)
		return error;
	fill(page, frames, count, flags, &tables);
	*virt = (void *)address_of(page);
	return 0;
}

int vmap(const uint64_t *frames, unsigned int count, enum map_flags flags, void **virt)
{
	bool both = flags & MAP_WRITE && flags & MAP_EXEC;
	int error;

	if (!frames || !virt || !count || flags & ~MAY_SAY || both)
		return -EINVAL;
	if (count > VMAP_PAGES)
		return -ENOSPC;
	if (!are_frames(frames, count, flags))
		return -EINVAL;
	error = aspace_lock(&kernel_aspace.lock);
	if (error)
		return error;
	error = map(frames, count, flags, virt);
	aspace_unlock(&kernel_aspace.lock);
	return error;
}

/* How many pages the area has that begins there; 0: none does. */
static unsigned int area_at(uint64_t virt)
{
	unsigned int page = (unsigned int)((virt - VMAP_START) / PAGE_SIZE), last = page;

	if (virt < VMAP_START || virt >= address_of(VMAP_PAGES) || virt % PAGE_SIZE ||
	    !is_set(taken, page) || (page && is_set(taken, page - 1)))
		return 0;
	while (!is_set(ends, last))
		last++;
	return last - page + 1;
}

static void release(uint64_t virt, unsigned int count)
{
	unsigned int page = (unsigned int)((virt - VMAP_START) / PAGE_SIZE);

	for (unsigned int i = 0; i < count; i++) {
		set(taken, page + i, false);
		set(ends, page + i, false);
	}
}

/* The address is free for others only after the flush: the batch holds the lock until then. */
int vunmap(void *virt)
{
	struct tlb_batch batch;
	unsigned int count;
	int error = tlb_batch_begin(&batch, &kernel_aspace);

	if (error)
		return error;
	count = area_at((uint64_t)virt);
	error = count ? tlb_batch_unmap(&batch, (uint64_t)virt, count * PAGE_SIZE) : -EINVAL;
	if (!error)
		release((uint64_t)virt, count);
	tlb_batch_end(&batch);
	return error;
}

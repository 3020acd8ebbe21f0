/*
 * What the kernel maps as it finds it: devices and stacks, in a part of its half where addresses
 * are given out once, and firmware's tables, where the direct map has a place for them.
 */
#include "paging.h"
#include <arch/mm.h>
#include <kernel/mm/frames.h>

static uint64_t next = DEVICE_START;

/*
 * Addresses for size bytes, with an unmapped page below; 0 if there are none. They are never given
 * again, even if they come to be used for nothing: no CPU is told when a mapping there is taken
 * back.
 */
static uint64_t take_addresses(uint64_t size)
{
	uint64_t start = next + PAGE_SIZE;

	if (size > VMAP_START - start)
		return 0;
	next = start + size;
	return start;
}

void *arch_map_device(uint64_t phys, uint64_t length, enum map_flags flags)
{
	uint64_t offset = phys & (PAGE_SIZE - 1), size, virt;

	if (!length || length > VMAP_START - DEVICE_START)
		return NULL;
	size = (offset + length + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
	virt = take_addresses(size);
	if (!virt || arch_map(virt, phys - offset, size, flags))
		return NULL;
	return (void *)(virt + offset);
}

const void *arch_map_firmware(uint64_t phys, uint64_t length)
{
	uint64_t page = phys & ~(PAGE_SIZE - 1), end = phys + length;

	if (!length || end < phys || end > DIRECT_MAP_SIZE)
		return NULL;
	for (; page < end; page += PAGE_SIZE) {
		if (arch_page_info(DIRECT_MAP + page).present)
			continue;
		if (arch_map(DIRECT_MAP + page, page, PAGE_SIZE, 0))
			return NULL;
	}
	return phys_to_virt(phys);
}

/* As many pages as there are frames for, and tables; returns where they end. */
static uint64_t map_stack(uint64_t bottom, uint64_t top)
{
	for (uint64_t virt = bottom; virt < top; virt += PAGE_SIZE) {
		uint64_t frame = frame_alloc();

		if (!frame)
			return virt;
		if (arch_map(virt, frame, PAGE_SIZE, MAP_WRITE)) {
			frame_free(frame);
			return virt;
		}
	}
	return top;
}

static void drop_stack(uint64_t bottom, uint64_t end)
{
	for (uint64_t virt = bottom; virt < end; virt += PAGE_SIZE) {
		uint64_t frame = arch_page_info(virt).phys;

		paging_unmap(virt, virt + PAGE_SIZE);
		frame_free(frame);
	}
}

void *arch_alloc_stack(size_t size)
{
	uint64_t bottom = take_addresses(size), end;

	if (!bottom)
		return NULL;
	end = map_stack(bottom, bottom + size);
	if (end == bottom + size)
		return (void *)end;
	drop_stack(bottom, end);
	return NULL;
}

/*
 * Memory as the kernel sees it:
 *
 *   ffff800000000000  direct map: all RAM, never executable
 *   ffffc00000000000  stacks with guard pages, devices
 *   ffffc08000000000  frames that the kernel maps for a while (vmap)
 *   ffffffff80000000  the kernel's image, text read-only, data not executable
 *   ffffffffff000000  the local APIC
 */
#ifndef ARCH_MM_H
#define ARCH_MM_H

#include <arch/page.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIRECT_MAP        0xffff800000000000ul
#define DIRECT_MAP_SIZE   (64ul << 40)
#define DEVICE_START      0xffffc00000000000ul
#define VMAP_START        0xffffc08000000000ul
#define VMAP_END          0xffffc10000000000ul
#define KERNEL_VIRT       0xffffffff80000000ul
#define KERNEL_STACK_SIZE 16384ul

static inline void *phys_to_virt(uint64_t phys)
{
	return (void *)(DIRECT_MAP + phys);
}

static inline uint64_t virt_to_phys(const void *virt)
{
	uint64_t address = (uint64_t)virt;

	return address >= KERNEL_VIRT ? address - KERNEL_VIRT : address - DIRECT_MAP;
}

/*
 * Builds the final page tables from the boot memory map and switches to them.
 * Boot CPU, once, after frames can be had. Panics when out of memory.
 */
void arch_mm_init(void);

/*
 * Maps [phys, phys + length) in 4 KB or larger pages. The range must be unmapped.
 * Boot or thread context, one CPU at a time. Returns 0, or -EINVAL, -EEXIST, -ENOMEM
 * and nothing is mapped.
 */
int arch_map(uint64_t virt, uint64_t phys, uint64_t length, enum map_flags flags);

/* Maps device memory somewhere; NULL when out of memory. Contexts as arch_map. */
void *arch_map_device(uint64_t phys, uint64_t length, enum map_flags flags);

/*
 * Makes [phys, phys + length) readable through the direct map, whatever the
 * firmware called that memory. NULL if it cannot be. Contexts as arch_map.
 */
const void *arch_map_firmware(uint64_t phys, uint64_t length);

/*
 * A stack of size bytes with an unmapped guard page below: returns its top, NULL
 * when out of memory. Contexts as arch_map.
 */
void *arch_alloc_stack(size_t size);

/* What the tables say about an address: present, or 0. Any context; never faults. */
struct page_info {
	bool present, writable, executable, user;
	uint64_t phys, size;
};
struct page_info arch_page_info(uint64_t virt);

/*
 * Calls visit for every mapping, in order of address. Thread context.
 */
void arch_for_each_page(void (*visit)(uint64_t virt, const struct page_info *page, void *context),
			void *context);

#endif

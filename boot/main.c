/*
 * The first C: turns what the loader left into a struct boot_info and starts the
 * kernel. The early page tables are still in force, so only the first 4 GB of
 * memory can be reached.
 */
#include "boot_info.h"
#include "entry.h"
#include <arch/init.h>
#include <arch/mm.h>
#include <kernel/main.h>

#define EARLY_REACH (4ull << 30)

struct boot_info boot_info;

void boot_main(uint32_t magic, uint32_t info);

static const void *early_map(uint64_t phys, size_t length)
{
	if (phys >= EARLY_REACH || length > EARLY_REACH - phys)
		return NULL;
	return phys_to_virt(phys);
}

void boot_main(uint32_t magic, uint32_t info)
{
	size_t avail = EARLY_REACH - info;

	arch_early_console();
	if (magic == PVH_START_MAGIC)
		pvh_parse(&boot_info, early_map(info, 0), avail, early_map);
	else
		multiboot2_parse(&boot_info, early_map(info, 0), avail);
	kernel_main();
}

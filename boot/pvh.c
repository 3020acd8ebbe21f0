/*
 * Reads hvm_start_info, which QEMU's -kernel and other PVH loaders pass to an ELF
 * with a PVH note (Xen's public/arch-x86/hvm/start_info.h describes the layout).
 */
#include "boot_info.h"
#include "entry.h"
#include <assert.h>
#include <lib/errno.h>
#include <lib/printf.h>
#include <lib/string.h>

struct hvm_start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr;
	/* version 1 and later */
	uint64_t memmap_paddr;
	uint32_t memmap_entries, reserved;
};

struct hvm_modlist_entry {
	uint64_t paddr, size, cmdline_paddr, reserved;
};

struct hvm_memmap_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};

static_assert(sizeof(struct hvm_start_info) == 56, "hvm_start_info, version 1");
static_assert(sizeof(struct hvm_modlist_entry) == 32, "hvm_modlist_entry");
static_assert(sizeof(struct hvm_memmap_entry) == 24, "hvm_memmap_table_entry");

static int damaged(struct boot_info *info, const char *what)
{
	snprintf(info->problem, sizeof(info->problem), "hvm_start_info: %s", what);
	return -EINVAL;
}

/* Only the first is told, unless damage follows. */
static void left_out(struct boot_info *info, const char *what)
{
	if (!info->problem[0])
		damaged(info, what);
}

/* Byte by byte, since nobody says how long it is. Whether its end was reached. */
static bool copy_text(char *to, size_t size, uint64_t phys, const void *(*map)(uint64_t, size_t))
{
	for (size_t length = 0; length < size; length++) {
		const char *from = map(phys + length, 1);

		to[length] = from ? *from : '\0';
		if (!to[length])
			return from;
	}
	to[size - 1] = '\0';
	return false;
}

static int read_modules(struct boot_info *info, const struct hvm_start_info *start,
			const void *(*map)(uint64_t, size_t))
{
	unsigned int count = start->nr_modules < BOOT_MODULES ? start->nr_modules : BOOT_MODULES;
	const struct hvm_modlist_entry *list;

	if (count < start->nr_modules)
		left_out(info, "more modules than there is room for, the rest is left out");
	if (!count)
		return 0;
	list = map(start->modlist_paddr, count * sizeof(*list));
	if (!list)
		return damaged(info, "the module list cannot be reached");
	for (unsigned int i = 0; i < count; i++) {
		struct boot_module *module = &info->module[info->modules++];

		module->base = list[i].paddr;
		module->length = list[i].size;
		if (list[i].cmdline_paddr)
			copy_text(module->name, sizeof(module->name), list[i].cmdline_paddr, map);
	}
	return 0;
}

static int read_memory(struct boot_info *info, const struct hvm_start_info *start,
		       const void *(*map)(uint64_t, size_t))
{
	unsigned int count = start->memmap_entries;
	const struct hvm_memmap_entry *entry;

	if (count > BOOT_REGIONS) {
		left_out(info, "more memory regions than there is room for, the rest is left out");
		count = BOOT_REGIONS;
	}
	entry = count ? map(start->memmap_paddr, count * sizeof(*entry)) : NULL;
	if (!entry)
		return damaged(info, "no memory map that can be reached");
	for (unsigned int i = 0; i < count; i++)
		info->region[i] =
			(struct boot_region){ entry[i].addr, entry[i].size, entry[i].type };
	info->regions = count;
	return 0;
}

int pvh_parse(struct boot_info *info, const void *data, size_t avail,
	      const void *(*map)(uint64_t, size_t))
{
	const struct hvm_start_info *start = data;

	snprintf(info->protocol, sizeof(info->protocol), "pvh");
	if (avail < sizeof(*start) || start->magic != PVH_START_MAGIC)
		return damaged(info, "wrong magic");
	if (start->cmdline_paddr &&
	    !copy_text(info->cmdline, sizeof(info->cmdline), start->cmdline_paddr, map))
		left_out(info, "the end of the command line cannot be read");
	info->rsdp_phys = start->rsdp_paddr;
	if (start->version < 1)
		return damaged(info, "version 0 brings no memory map");
	if (read_modules(info, start, map))
		return -EINVAL;
	return read_memory(info, start, map);
}

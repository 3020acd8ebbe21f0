/*
 * What the firmware and the loader said, in one form whichever door was used.
 * Everything is copied out of the loader's memory, save for the modules.
 */
#ifndef BOOT_BOOT_INFO_H
#define BOOT_BOOT_INFO_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_REGIONS 256
#define BOOT_MODULES 8
#define BOOT_TEXT    1024
#define RSDP_MAX     36

enum boot_memory {
	BOOT_MEMORY_USABLE = 1,
	BOOT_MEMORY_RESERVED = 2,
	BOOT_MEMORY_ACPI = 3,
	BOOT_MEMORY_NVS = 4,
	BOOT_MEMORY_BAD = 5,
};

struct boot_region {
	uint64_t base, length;
	uint32_t type; /* enum boot_memory; what is unknown counts as reserved */
};

struct boot_module {
	uint64_t base, length;
	char name[64];
};

struct boot_framebuffer {
	uint64_t base; /* 0: none that can be used */
	uint32_t pitch, width, height;
	uint8_t bpp;
	uint8_t red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
};

struct boot_info {
	uint64_t entry_ticks; /* the TSC when the loader jumped here; set by entry.S */
	char protocol[16];
	char loader[64];
	char cmdline[BOOT_TEXT];
	char problem[160]; /* what was wrong with the loader's data; empty if nothing */
	unsigned int regions, modules;
	struct boot_region region[BOOT_REGIONS];
	struct boot_module module[BOOT_MODULES];
	struct boot_framebuffer framebuffer;
	unsigned int rsdp_length; /* 0: only rsdp_phys, or the BIOS areas, can tell */
	uint8_t rsdp[RSDP_MAX];
	uint64_t rsdp_phys; /* 0: unknown */
};

static_assert(offsetof(struct boot_info, entry_ticks) == 0, "entry.S writes it there");

extern struct boot_info boot_info;

/*
 * Both read at most avail bytes at data and fill *info, which is all zero. Boot only.
 * Return 0, or -EINVAL with info->problem saying what is damaged; what was read before
 * the damage is kept. With 0, info->problem may name what had to be left out.
 *
 * pvh_parse follows physical addresses through map(), which returns NULL for what
 * it cannot reach.
 */
int multiboot2_parse(struct boot_info *info, const void *data, size_t avail);
int pvh_parse(struct boot_info *info, const void *data, size_t avail,
	      const void *(*map)(uint64_t phys, size_t length));

#endif

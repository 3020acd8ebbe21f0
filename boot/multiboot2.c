/*
 * Reads the multiboot2 tag list (Multiboot2 specification 2.0, §3.6). Every tag is
 * checked against the list's end before it is read: a loader's bug must become a
 * sentence, not a fault.
 *
 *   list   u32 total_size, u32 reserved, tag …   each tag on an 8-byte border
 *   tag    u32 type, u32 size (header included), payload
 */
#include "boot_info.h"
#include <lib/errno.h>
#include <lib/printf.h>
#include <lib/string.h>

enum {
	TAG_END = 0,
	TAG_CMDLINE = 1,
	TAG_LOADER = 2,
	TAG_MODULE = 3,
	TAG_MMAP = 6,
	TAG_FRAMEBUFFER = 8,
	TAG_RSDP_OLD = 14,
	TAG_RSDP_NEW = 15,
};

#define FRAMEBUFFER_RGB 1

struct tag {
	uint32_t type, size;
};

struct tag_module {
	struct tag tag;
	uint32_t start, end;
	char name[];
};

struct mmap_entry {
	uint64_t base, length;
	uint32_t type, reserved;
};

struct tag_mmap {
	struct tag tag;
	uint32_t entry_size, entry_version;
};

struct tag_framebuffer {
	struct tag tag;
	uint64_t base;
	uint32_t pitch, width, height;
	uint8_t bpp, type;
	uint16_t reserved;
	uint8_t red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
};

static int damaged(struct boot_info *info, const char *what, size_t offset)
{
	snprintf(info->problem, sizeof(info->problem),
		 "multiboot2 tag list: %s at offset %zu; what came before it is used", what,
		 offset);
	return -EINVAL;
}

/* Only the first is told. */
static void left_out(struct boot_info *info, const char *what)
{
	if (!info->problem[0])
		snprintf(info->problem, sizeof(info->problem),
			 "multiboot2 tag list: %s than there is room for, the rest is left out",
			 what);
}

/* Whether all of it was copied. */
static bool copy_text(char *to, size_t size, const void *from, size_t length)
{
	size_t whole = strnlen(from, length);

	length = whole < size ? whole : size - 1;
	memcpy(to, from, length);
	to[length] = '\0';
	return length == whole;
}

static int read_module(struct boot_info *info, const struct tag *tag)
{
	const struct tag_module *from = (const void *)tag;
	struct boot_module *to;

	if (tag->size < sizeof(*from) || from->end < from->start)
		return -EINVAL;
	if (info->modules == BOOT_MODULES) {
		left_out(info, "more modules");
		return 0;
	}
	to = &info->module[info->modules++];
	to->base = from->start;
	to->length = from->end - from->start;
	copy_text(to->name, sizeof(to->name), from->name, tag->size - sizeof(*from));
	return 0;
}

static int read_mmap(struct boot_info *info, const struct tag *tag)
{
	const struct tag_mmap *map = (const void *)tag;
	size_t offset = sizeof(*map);

	if (tag->size < sizeof(*map) || map->entry_size < sizeof(struct mmap_entry) ||
	    map->entry_size % 8)
		return -EINVAL;
	for (; offset + map->entry_size <= tag->size; offset += map->entry_size) {
		const struct mmap_entry *entry = (const void *)((const char *)tag + offset);

		if (info->regions == BOOT_REGIONS) {
			left_out(info, "more memory regions");
			return 0;
		}
		info->region[info->regions++] =
			(struct boot_region){ entry->base, entry->length, entry->type };
	}
	return 0;
}

static int read_framebuffer(struct boot_info *info, const struct tag *tag)
{
	const struct tag_framebuffer *from = (const void *)tag;

	if (tag->size < offsetof(struct tag_framebuffer, red_pos))
		return -EINVAL;
	/* EGA text (type 2) and palettes (type 0) are left to the serial line. */
	if (from->type != FRAMEBUFFER_RGB || tag->size < sizeof(*from) - 2)
		return 0;
	info->framebuffer = (struct boot_framebuffer){
		.base = from->base,
		.pitch = from->pitch,
		.width = from->width,
		.height = from->height,
		.bpp = from->bpp,
		.red_pos = from->red_pos,
		.red_size = from->red_size,
		.green_pos = from->green_pos,
		.green_size = from->green_size,
		.blue_pos = from->blue_pos,
		.blue_size = from->blue_size,
	};
	return 0;
}

static int read_rsdp(struct boot_info *info, const struct tag *tag)
{
	size_t length = tag->size - sizeof(*tag);

	/* The new tag wins over the old one, in whichever order they come. */
	if (tag->type == TAG_RSDP_OLD && info->rsdp_length > 20)
		return 0;
	if (length < 20)
		return -EINVAL;
	if (length > RSDP_MAX)
		length = RSDP_MAX;
	memcpy(info->rsdp, tag + 1, length);
	info->rsdp_length = (unsigned int)length;
	return 0;
}

static int read_tag(struct boot_info *info, const struct tag *tag)
{
	switch (tag->type) {
	case TAG_CMDLINE:
		if (!copy_text(info->cmdline, sizeof(info->cmdline), tag + 1,
			       tag->size - sizeof(*tag)))
			left_out(info, "a longer command line");
		return 0;
	case TAG_LOADER:
		copy_text(info->loader, sizeof(info->loader), tag + 1, tag->size - sizeof(*tag));
		return 0;
	case TAG_MODULE:
		return read_module(info, tag);
	case TAG_MMAP:
		return read_mmap(info, tag);
	case TAG_FRAMEBUFFER:
		return read_framebuffer(info, tag);
	case TAG_RSDP_OLD:
	case TAG_RSDP_NEW:
		return read_rsdp(info, tag);
	default:
		return 0;
	}
}

int multiboot2_parse(struct boot_info *info, const void *data, size_t avail)
{
	const uint32_t *total = data;
	size_t offset = 8, size;

	snprintf(info->protocol, sizeof(info->protocol), "multiboot2");
	if (avail < 16 || *total < 16 || *total > avail)
		return damaged(info, "impossible total size", 0);
	size = *total;
	while (offset + sizeof(struct tag) <= size) {
		const struct tag *tag = (const void *)((const char *)data + offset);

		if (tag->type == TAG_END)
			return 0;
		if (tag->size < sizeof(*tag) || tag->size > size - offset)
			return damaged(info, "a tag's size is impossible", offset);
		if (read_tag(info, tag))
			return damaged(info, "a tag is too short or contradicts itself", offset);
		offset += (tag->size + 7) & ~7ul;
	}
	return damaged(info, "no end tag", size);
}

/*
 * The multiboot2 parser, and tag lists for it: built tag by tag, right in every byte; the tests
 * then damage them. For host programs of one translation unit.
 */
#ifndef TESTS_HOST_MULTIBOOT2_BUILD_H
#define TESTS_HOST_MULTIBOOT2_BUILD_H

#include <stdlib.h>
#include <string.h>

#include <boot/multiboot2.c>

#define FIRST_TAG 8 /* behind the two words of the list's own header */

/* The list under construction. */
static _Alignas(8) uint8_t list[65536];
static size_t size;

/* The size of the list as its header tells it. */
static void set_total(uint32_t total)
{
	memcpy(list, &total, sizeof(total));
}

__attribute__((unused)) static void begin(void)
{
	memset(list, 0, sizeof(list));
	size = FIRST_TAG;
}

/* A tag whose size says told, whatever it really is. Returns where it begins. */
static size_t add_telling(uint32_t type, uint32_t told, const void *payload, size_t length)
{
	struct tag tag = { type, told };
	size_t at = size;

	memcpy(list + at, &tag, sizeof(tag));
	memcpy(list + at + sizeof(tag), payload, length);
	size = (at + sizeof(tag) + length + 7) & ~(size_t)7;
	return at;
}

static size_t add(uint32_t type, const void *payload, size_t length)
{
	return add_telling(type, (uint32_t)(sizeof(struct tag) + length), payload, length);
}

__attribute__((unused)) static void add_text(uint32_t type, const char *text)
{
	add(type, text, strlen(text) + 1);
}

__attribute__((unused)) static void add_module(uint32_t start, uint32_t end, const char *name)
{
	uint8_t payload[256];
	size_t length = strlen(name) + 1;

	memcpy(payload, &start, 4);
	memcpy(payload + 4, &end, 4);
	memcpy(payload + 8, name, length);
	add(TAG_MODULE, payload, 8 + length);
}

/* Regions of a page each, with a hole behind each, in entries of entry_size bytes. */
__attribute__((unused)) static void add_mmap(uint32_t entry_size, unsigned int count)
{
	static uint8_t payload[8192];
	uint32_t head[2] = { entry_size, 0 };

	memset(payload, 0xee, sizeof(payload));
	memcpy(payload, head, sizeof(head));
	for (unsigned int i = 0; i < count; i++) {
		struct mmap_entry entry = { 0x2000ull * i, 0x1000, 1 + i % 5, 0 };

		memcpy(payload + sizeof(head) + (size_t)i * entry_size, &entry, sizeof(entry));
	}
	add(TAG_MMAP, payload, sizeof(head) + (size_t)count * entry_size);
}

__attribute__((unused)) static struct tag_framebuffer framebuffer(uint8_t type)
{
	return (struct tag_framebuffer){
		.base = 0x1fd000000ull, /* above 4 GB */
		.pitch = 5120,
		.width = 1280,
		.height = 800,
		.bpp = 32,
		.type = type,
		.red_pos = 16,
		.red_size = 8,
		.green_pos = 8,
		.green_size = 8,
		.blue_pos = 0,
		.blue_size = 8,
	};
}

#define FRAMEBUFFER_SIZE 38 /* with the colours, header included; no padding */

__attribute__((unused)) static void add_framebuffer(uint8_t type)
{
	struct tag_framebuffer fb = framebuffer(type);

	add(TAG_FRAMEBUFFER, &fb.base, FRAMEBUFFER_SIZE - sizeof(struct tag));
}

/* An RSDP of length bytes, all of them fill: the list's parser does not look into it. */
__attribute__((unused)) static void add_rsdp(uint32_t type, uint8_t fill, size_t length)
{
	uint8_t payload[64];

	memset(payload, fill, sizeof(payload));
	add(type, payload, length);
}

/* Ends the list and makes its header right. */
__attribute__((unused)) static void seal(void)
{
	add(TAG_END, "", 0);
	set_total((uint32_t)size);
}

#endif

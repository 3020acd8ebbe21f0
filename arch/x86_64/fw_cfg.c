/*
 * Reads QEMU's fw_cfg by its ports (QEMU's docs/specs/fw_cfg.rst): select a key,
 * then read bytes in a row.
 *
 *   key 0x00   "QEMU"
 *   key 0x19   u32 count, then { u32 size, u16 key, u16 0, char name[56] }, big-endian
 */
#include "fw_cfg.h"
#include "io.h"
#include <arch/cpu.h>
#include <lib/string.h>

#define PORT_SELECT   0x510
#define PORT_DATA     0x511
#define KEY_SIGNATURE 0x00
#define KEY_DIRECTORY 0x19
#define NAME_SIZE     56
#define MAX_FILES     512 /* more than QEMU ever has: a bound for the walk */

static void read_bytes(void *to, size_t size)
{
	uint8_t *byte = to;

	for (size_t i = 0; i < size; i++)
		byte[i] = inb(PORT_DATA);
}

static uint32_t read_be32(void)
{
	uint8_t b[4];

	read_bytes(b, sizeof(b));
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool present(void)
{
	char signature[4];

	if (!cpu_hypervisor())
		return false;
	outw(PORT_SELECT, KEY_SIGNATURE);
	read_bytes(signature, sizeof(signature));
	return !memcmp(signature, "QEMU", 4);
}

/* The file's key, with its size; 0 if there is none. */
static uint16_t find(const char *name, size_t *size)
{
	uint32_t count;

	if (!present())
		return 0;
	outw(PORT_SELECT, KEY_DIRECTORY);
	count = read_be32();
	for (uint32_t i = 0; i < count && i < MAX_FILES; i++) {
		uint32_t file_size = read_be32();
		uint16_t key = (uint16_t)(read_be32() >> 16);
		char file_name[NAME_SIZE];

		read_bytes(file_name, sizeof(file_name));
		if (strncmp(file_name, name, NAME_SIZE))
			continue;
		*size = file_size;
		return key;
	}
	return 0;
}

size_t fw_cfg_size(const char *name)
{
	size_t size = 0;

	find(name, &size);
	return size;
}

size_t fw_cfg_read(const char *name, void *to, size_t size)
{
	size_t file_size = 0;
	uint16_t key = find(name, &file_size);

	if (!key)
		return 0;
	if (size > file_size)
		size = file_size;
	outw(PORT_SELECT, key);
	read_bytes(to, size);
	return size;
}

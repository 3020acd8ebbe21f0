/*
 * The reader of hvm_start_info, with a physical memory of a few pieces. Each piece is a heap block
 * of exactly its size, so that under AddressSanitizer a read past what was asked for is a failure
 * of the test that caused it.
 */
#include <stdlib.h>
#include <string.h>

#include <boot/pvh.c>

#include "tap.h"

#define MODULES   0x10000
#define CMDLINE   0x20000
#define MEMORY    0x30000
#define NAME      0x40000
#define NOWHERE   0x50000
#define LAST_PAGE 0xfffffffffffff000ull

static struct piece {
	uint64_t phys;
	size_t size;
	uint8_t *bytes;
} pieces[16];
static unsigned int nr_pieces;

static struct boot_info info;
static struct hvm_start_info start;

static const void *map(uint64_t phys, size_t length)
{
	for (unsigned int i = 0; i < nr_pieces; i++) {
		const struct piece *piece = &pieces[i];

		if (phys >= piece->phys && phys - piece->phys <= piece->size &&
		    length <= piece->size - (phys - piece->phys))
			return piece->bytes + (phys - piece->phys);
	}
	return NULL;
}

static void put(uint64_t phys, const void *bytes, size_t size)
{
	struct piece *piece = &pieces[nr_pieces++];

	*piece = (struct piece){ phys, size, malloc(size) };
	memcpy(piece->bytes, bytes, size);
}

static void put_memory(unsigned int count)
{
	static struct hvm_memmap_entry entries[BOOT_REGIONS + 8];

	for (unsigned int i = 0; i < count; i++)
		entries[i] = (struct hvm_memmap_entry){ 0x2000ull * i, 0x1000, 1 + i % 5, 0 };
	put(MEMORY, entries, count * sizeof(entries[0]));
	start.memmap_paddr = MEMORY;
	start.memmap_entries = count;
}

static void put_modules(unsigned int count, uint64_t name)
{
	static struct hvm_modlist_entry entries[BOOT_MODULES + 2];

	for (unsigned int i = 0; i < count; i++)
		entries[i] = (struct hvm_modlist_entry){ 0x100000ull * i, 0x123, name, 0 };
	put(MODULES, entries, count * sizeof(entries[0]));
	start.modlist_paddr = MODULES;
	start.nr_modules = count;
}

static void put_cmdline(const char *text)
{
	put(CMDLINE, text, strlen(text) + 1);
	start.cmdline_paddr = CMDLINE;
}

/* A new machine: nothing but a memory map of three regions. */
static void begin(void)
{
	while (nr_pieces)
		free(pieces[--nr_pieces].bytes);
	start = (struct hvm_start_info){ .magic = PVH_START_MAGIC, .version = 1 };
	put_memory(3);
}

static int parse_some(size_t avail)
{
	uint8_t *copy = malloc(avail + !avail);
	int error;

	memcpy(copy, &start, avail);
	memset(&info, 0, sizeof(info));
	error = pvh_parse(&info, copy, avail, map);
	free(copy);
	return error;
}

static int parse(void)
{
	return parse_some(sizeof(start));
}

static bool silent(void)
{
	return !info.problem[0];
}

static bool said(const char *text)
{
	return strstr(info.problem, text) && !strchr(info.problem, '\n');
}

static void good(void)
{
	begin();
	tap_ok(!parse() && silent() && !strcmp(info.protocol, "pvh") && info.regions == 3 &&
		       !info.cmdline[0] && !info.modules && !info.rsdp_phys,
	       "a memory map alone will do");
	tap_ok(info.region[2].base == 0x4000 && info.region[2].length == 0x1000 &&
		       info.region[2].type == 3,
	       "its regions");

	put_cmdline("run=test seed=1");
	put_modules(2, NAME);
	put(NAME, "acpi/APIC.bin", 14);
	start.rsdp_paddr = 0xf5a00;
	tap_ok(!parse() && silent() && !strcmp(info.cmdline, "run=test seed=1") &&
		       info.rsdp_phys == 0xf5a00,
	       "command line and RSDP");
	tap_ok(info.modules == 2 && info.module[1].base == 0x100000 &&
		       info.module[1].length == 0x123 &&
		       !strcmp(info.module[1].name, "acpi/APIC.bin"),
	       "modules with their names");

	start.version = 7;
	tap_ok(!parse() && info.regions == 3, "versions of tomorrow only add");
}

static void headers(void)
{
	unsigned int refused = 0;

	begin();
	for (size_t avail = 0; avail < sizeof(start); avail++)
		refused += parse_some(avail) == -EINVAL && said("hvm_start_info: ");
	tap_ok(refused == sizeof(start), "too few bytes to be one");

	start.magic ^= 1;
	tap_ok(parse() == -EINVAL && said("wrong magic") && !info.regions, "a wrong magic");

	begin();
	put_cmdline("kept");
	start.version = 0;
	start.rsdp_paddr = 0xf5a00;
	tap_ok(parse() == -EINVAL && said("version 0") && !info.regions &&
		       !strcmp(info.cmdline, "kept") && info.rsdp_phys == 0xf5a00,
	       "version 0 has no memory map; the rest is kept");
}

static void memory_maps(void)
{
	begin();
	start.memmap_entries = 0;
	tap_ok(parse() == -EINVAL && said("no memory map"), "a memory map of no entries");
	start.memmap_entries = 4;
	tap_ok(parse() == -EINVAL && said("no memory map") && !info.regions,
	       "one that is longer than memory");
	begin();
	start.memmap_paddr = NOWHERE;
	tap_ok(parse() == -EINVAL && said("no memory map") && !info.regions, "one that is nowhere");
	start.memmap_paddr = LAST_PAGE;
	tap_ok(parse() == -EINVAL && said("no memory map"), "one at the end of all addresses");

	begin();
	put_memory(BOOT_REGIONS);
	pieces[0].phys = NOWHERE;
	tap_ok(!parse() && silent() && info.regions == BOOT_REGIONS,
	       "as many regions as there is room for");
	begin();
	put_memory(BOOT_REGIONS + 8);
	pieces[0].phys = NOWHERE;
	tap_ok(!parse() && said("more memory regions") && info.regions == BOOT_REGIONS &&
		       info.region[BOOT_REGIONS - 1].base == 0x2000ull * (BOOT_REGIONS - 1),
	       "more than that are left out, which is said");
	start.memmap_entries = 0xffffffff;
	tap_ok(!parse() && info.regions == BOOT_REGIONS, "a count that cannot be");
}

static void texts(void)
{
	static char text[3000], page[4096];

	memset(page, 'x', sizeof(page));
	memset(text, 'x', sizeof(text) - 1);
	begin();
	put_cmdline(text);
	tap_ok(!parse() && strlen(info.cmdline) == BOOT_TEXT - 1 && said("end of the command line"),
	       "a command line that is too long is cut, and that is said");
	text[BOOT_TEXT - 1] = '\0';
	begin();
	put_cmdline(text);
	tap_ok(!parse() && silent() && strlen(info.cmdline) == BOOT_TEXT - 1,
	       "the longest one that is not");

	begin();
	put(CMDLINE, "abcd", 4);
	start.cmdline_paddr = CMDLINE;
	tap_ok(!parse() && !strcmp(info.cmdline, "abcd") && said("end of the command line"),
	       "one without a NUL ends where memory does");
	begin();
	start.cmdline_paddr = NOWHERE;
	tap_ok(!parse() && !info.cmdline[0] && said("end of the command line"),
	       "one that is nowhere is said to be");
	begin();
	put(LAST_PAGE, page, sizeof(page));
	start.cmdline_paddr = 0xffffffffffffffffull;
	tap_ok(!parse() && !strcmp(info.cmdline, "x") && said("end of the command line"),
	       "one at the end of all addresses");
}

static void modules(void)
{
	begin();
	put_modules(1, 0);
	tap_ok(!parse() && silent() && info.modules == 1 && !info.module[0].name[0],
	       "a module without a name");
	begin();
	put_modules(1, NOWHERE);
	tap_ok(!parse() && info.modules == 1 && !info.module[0].name[0],
	       "one whose name is nowhere has none");
	begin();
	put_modules(1, NAME);
	put(NAME, "a name that is longer than any that is looked for, and so is cut", 65);
	tap_ok(!parse() && strlen(info.module[0].name) == sizeof(info.module[0].name) - 1,
	       "a name that is too long is cut");

	begin();
	start.nr_modules = 1;
	start.modlist_paddr = NOWHERE;
	tap_ok(parse() == -EINVAL && said("module list") && !info.modules,
	       "a list that is nowhere");
	begin();
	put_modules(2, 0);
	start.nr_modules = 3;
	tap_ok(parse() == -EINVAL && said("module list") && !info.modules,
	       "one that is longer than memory");

	begin();
	put_modules(BOOT_MODULES, 0);
	tap_ok(!parse() && silent() && info.modules == BOOT_MODULES,
	       "as many modules as there is room for");
	begin();
	put_modules(BOOT_MODULES + 2, 0);
	tap_ok(!parse() && said("more modules") && info.modules == BOOT_MODULES &&
		       info.regions == 3,
	       "more than that are left out, which is said");
	start.nr_modules = 0xffffffff;
	tap_ok(!parse() && info.modules == BOOT_MODULES, "a count that cannot be");
}

int main(void)
{
	good();
	headers();
	memory_maps();
	texts();
	modules();
	begin();
	free(pieces[--nr_pieces].bytes);
	return tap_done();
}

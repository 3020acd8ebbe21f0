/*
 * The multiboot2 parser against every kind of damage that it claims to survive. Lists are handed
 * over in heap blocks of exactly their size, so that under AddressSanitizer a read past the end is
 * a failure of the test that caused it.
 */
#include "multiboot2_build.h"
#include "tap.h"

static struct boot_info info;

/* Parses the first avail bytes of the list, whatever its header says. */
static int parse_some(size_t avail)
{
	uint8_t *copy = malloc(avail + !avail);
	int error;

	memcpy(copy, list, avail);
	memset(&info, 0, sizeof(info));
	error = multiboot2_parse(&info, copy, avail);
	free(copy);
	return error;
}

static int parse(void)
{
	seal();
	return parse_some(size);
}

static bool silent(void)
{
	return !info.problem[0];
}

static bool said(const char *text)
{
	return strstr(info.problem, text) && !strchr(info.problem, '\n') &&
	       strlen(info.problem) + 1 < sizeof(info.problem);
}

static void good_list(void)
{
	begin();
	tap_ok(!parse() && silent() && !strcmp(info.protocol, "multiboot2") && !info.regions,
	       "a list of nothing but its end is no damage");

	begin();
	add_text(TAG_CMDLINE, "run=test seed=1");
	add_text(TAG_LOADER, "GRUB 2.06");
	add_module(0x400000, 0x400123, "acpi/APIC.bin");
	add_mmap(24, 7);
	add_framebuffer(FRAMEBUFFER_RGB);
	add_rsdp(TAG_RSDP_NEW, 0x22, 36);
	add(4711, "whatever", 9);
	tap_ok(!parse() && silent(), "all tags together, and one of tomorrow");
	tap_ok(!strcmp(info.cmdline, "run=test seed=1") && !strcmp(info.loader, "GRUB 2.06"),
	       "texts");
	tap_ok(info.modules == 1 && info.module[0].base == 0x400000 &&
		       info.module[0].length == 0x123 &&
		       !strcmp(info.module[0].name, "acpi/APIC.bin"),
	       "a module with its name");
	tap_ok(info.regions == 7 && info.region[6].base == 0xc000 &&
		       info.region[6].length == 0x1000 && info.region[6].type == 2,
	       "the memory map");
	tap_ok(info.framebuffer.base == 0x1fd000000ull && info.framebuffer.pitch == 5120 &&
		       info.framebuffer.width == 1280 && info.framebuffer.height == 800 &&
		       info.framebuffer.bpp == 32 && info.framebuffer.red_pos == 16 &&
		       info.framebuffer.green_pos == 8 && info.framebuffer.blue_size == 8,
	       "a framebuffer, above 4 GB too");
	tap_ok(info.rsdp_length == 36 && info.rsdp[0] == 0x22 && info.rsdp[35] == 0x22, "an RSDP");
}

/* A whole list to cut pieces off. */
static void build_all(void)
{
	begin();
	add_text(TAG_CMDLINE, "run=test");
	add_module(0x400000, 0x500000, "module");
	add_mmap(24, 3);
	add_framebuffer(FRAMEBUFFER_RGB);
	add_rsdp(TAG_RSDP_OLD, 0x11, 20);
	add_text(TAG_LOADER, "loader");
	seal();
}

static void sizes(void)
{
	unsigned int refused = 0, ended = 0, kept = 0;
	size_t whole;

	build_all();
	whole = size;
	for (size_t avail = 0; avail < whole; avail++)
		refused += parse_some(avail) == -EINVAL && said("impossible total size");
	tap_ok(refused == whole, "fewer bytes than the list says are there: refused");
	tap_ok(!parse_some(whole) && !parse_some(whole + 64), "as many, or more: read");

	for (uint32_t total = 0; total < 16; total++) {
		set_total(total);
		ended += parse_some(whole) == -EINVAL && said("impossible total size");
	}
	tap_ok(ended == 16, "a total size that holds no tag");

	for (uint32_t total = 16; total < whole; total++) {
		set_total(total);
		kept += parse_some(total) == -EINVAL && !silent();
	}
	tap_ok(kept == whole - 16, "a list that is cut anywhere is damaged");
	set_total((uint32_t)whole - 8);
	tap_ok(parse_some(whole - 8) == -EINVAL && said("no end tag") && info.regions == 3 &&
		       !strcmp(info.loader, "loader"),
	       "without its end tag all the others are still kept");
	set_total(0xffffffff);
	tap_ok(parse_some(whole) == -EINVAL && said("impossible total size"), "a total of 4 GB");
}

static void tag_sizes(void)
{
	static const uint32_t impossible[] = { 0,      1,          7,          17,
					       0x1000, 0x7fffffff, 0xfffffff8, 0xffffffff };
	unsigned int refused = 0, kept = 0;

	for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
		begin();
		add_mmap(24, 2);
		add_telling(TAG_CMDLINE, impossible[i], "x", 2);
		set_total((uint32_t)size);
		refused += parse_some(size) == -EINVAL &&
			   said("a tag's size is impossible at offset 72");
		kept += info.regions == 2;
	}
	tap_ok(refused == 8, "a tag shorter than its header, or past the end");
	tap_ok(kept == 8, "what stands before it is kept");

	begin();
	add(4711, "abc", 3);
	add_text(TAG_LOADER, "behind");
	tap_ok(!parse() && !strcmp(info.loader, "behind"), "sizes are rounded up to 8 bytes");

	begin();
	add_telling(4711, 8 + 13, "0123456789abc", 13);
	size -= 3; /* the list ends with the tag, in the middle of its padding */
	set_total((uint32_t)size);
	tap_ok(parse_some(size) == -EINVAL && said("no end tag"),
	       "a list without the last padding");

	begin();
	add_telling(TAG_END, 0, "", 0);
	add_text(TAG_LOADER, "behind the end");
	set_total((uint32_t)size);
	tap_ok(!parse_some(size) && !info.loader[0], "the end tag ends it, whatever its size");
}

/*
 * Each tag that has a shape, one byte shorter at a time. It is the last in its block, so that
 * nothing behind it can be read unnoticed.
 */
static void short_tags(void)
{
	static const struct {
		uint32_t type, least;
		const char *name;
	} tags[] = {
		{ TAG_MODULE, 16, "a module" },           { TAG_MMAP, 16, "a memory map" },
		{ TAG_FRAMEBUFFER, 32, "a framebuffer" }, { TAG_RSDP_OLD, 28, "an old RSDP" },
		{ TAG_RSDP_NEW, 28, "a new RSDP" },
	};

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		uint8_t payload[64] = { tags[i].type == TAG_MMAP ? sizeof(struct mmap_entry) : 0 };
		unsigned int refused = 0;

		for (uint32_t told = 8; told < tags[i].least; told++) {
			begin();
			add_text(TAG_LOADER, "before");
			size = add(tags[i].type, payload, told - 8) + told;
			set_total((uint32_t)size);
			refused += parse_some(size) == -EINVAL &&
				   said("too short or contradicts itself at offset 24") &&
				   !strcmp(info.loader, "before");
		}
		begin();
		add(tags[i].type, payload, tags[i].least - 8);
		tap_ok(refused == tags[i].least - 8 && !parse() && silent(),
		       "%s of under %u bytes is damage, and no shorter one is read", tags[i].name,
		       tags[i].least);
	}
}

static void texts(void)
{
	static char text[3000];

	begin();
	add(TAG_CMDLINE, "", 0);
	add(TAG_LOADER, "", 0);
	tap_ok(!parse() && silent() && !info.cmdline[0] && !info.loader[0], "texts of no bytes");

	begin();
	add(TAG_CMDLINE, "abcd", 4);
	add(TAG_LOADER, "efg", 3);
	tap_ok(!parse() && !strcmp(info.cmdline, "abcd") && !strcmp(info.loader, "efg"),
	       "texts without a NUL end with their tags");

	memset(text, 'x', sizeof(text) - 1);
	begin();
	add_text(TAG_CMDLINE, text);
	tap_ok(!parse() && strlen(info.cmdline) == BOOT_TEXT - 1 && said("longer command line"),
	       "a command line that is too long is cut, and that is said");
	text[BOOT_TEXT - 1] = '\0';
	begin();
	add_text(TAG_CMDLINE, text);
	tap_ok(!parse() && silent() && strlen(info.cmdline) == BOOT_TEXT - 1,
	       "the longest one that is not");
	text[200] = '\0';
	begin();
	add_text(TAG_LOADER, text);
	add_module(1, 2, text);
	tap_ok(!parse() && strlen(info.loader) == sizeof(info.loader) - 1 &&
		       strlen(info.module[0].name) == sizeof(info.module[0].name) - 1,
	       "names that are too long are cut");

	begin();
	add_text(TAG_CMDLINE, "first one");
	add_text(TAG_CMDLINE, "second");
	tap_ok(!parse() && !strcmp(info.cmdline, "second"), "of two command lines the second");
}

static void modules(void)
{
	begin();
	add_module(0x2000, 0x1000, "backwards");
	tap_ok(parse() == -EINVAL && said("too short or contradicts itself") && !info.modules,
	       "a module that ends before it begins");

	begin();
	add_module(0x1000, 0x1000, "");
	tap_ok(!parse() && info.modules == 1 && !info.module[0].length && !info.module[0].name[0],
	       "an empty one without a name");

	begin();
	for (uint32_t i = 0; i < BOOT_MODULES; i++)
		add_module(i * 0x1000, i * 0x1000 + 1, "m");
	tap_ok(!parse() && info.modules == BOOT_MODULES && silent(),
	       "as many as there is room for");
	begin();
	for (uint32_t i = 0; i < BOOT_MODULES + 2; i++)
		add_module(i * 0x1000, i * 0x1000 + 1, "m");
	add_text(TAG_LOADER, "behind");
	tap_ok(!parse() && info.modules == BOOT_MODULES && said("more modules") &&
		       info.module[BOOT_MODULES - 1].base == (BOOT_MODULES - 1) * 0x1000 &&
		       !strcmp(info.loader, "behind"),
	       "more than that are left out, which is said");
}

static void memory_maps(void)
{
	static const uint32_t bad[] = { 0, 1, 8, 16, 23, 25, 28, 0xffffffff };
	uint32_t huge[2] = { 0xfffffff8, 0 };
	unsigned int refused = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t payload[14] = { bad[i] };

		begin();
		add(TAG_MMAP, payload, sizeof(payload));
		refused += parse() == -EINVAL && !info.regions;
	}
	tap_ok(refused == 8, "entry sizes that cannot be");

	begin();
	add(TAG_MMAP, huge, sizeof(huge));
	tap_ok(!parse() && !info.regions, "an entry of nearly 4 GB is not there");

	begin();
	add_mmap(40, 3);
	tap_ok(!parse() && info.regions == 3 && info.region[2].base == 0x4000 &&
		       info.region[2].type == 3,
	       "entries longer than today's");

	begin();
	add_mmap(24, 3);
	((struct tag *)(list + FIRST_TAG))->size -= 1;
	tap_ok(!parse() && info.regions == 2, "a last entry that is cut is left out");

	begin();
	add_mmap(24, BOOT_REGIONS);
	tap_ok(!parse() && info.regions == BOOT_REGIONS && silent(),
	       "as many as there is room for");
	begin();
	add_mmap(24, BOOT_REGIONS + 44);
	add_text(TAG_LOADER, "behind");
	tap_ok(!parse() && info.regions == BOOT_REGIONS && said("more memory regions") &&
		       info.region[BOOT_REGIONS - 1].base == 0x2000ull * (BOOT_REGIONS - 1) &&
		       !strcmp(info.loader, "behind"),
	       "more than that are left out, which is said");

	begin();
	add_mmap(24, 2);
	add_mmap(32, 2);
	tap_ok(!parse() && info.regions == 4, "two maps are one");
}

static void framebuffers(void)
{
	static const char *const kinds[] = { "a palette", NULL, "EGA text", "an unknown type" };
	struct tag_framebuffer fb = framebuffer(FRAMEBUFFER_RGB);
	unsigned int unused = 0;

	for (uint8_t type = 0; type < 4; type++) {
		if (type == FRAMEBUFFER_RGB)
			continue;
		begin();
		add_framebuffer(type);
		tap_ok(!parse() && silent() && !info.framebuffer.base,
		       "%s is no framebuffer for us", kinds[type]);
	}
	for (size_t told = 32; told < FRAMEBUFFER_SIZE; told++) {
		begin();
		add(TAG_FRAMEBUFFER, &fb.base, told - 8);
		unused += !parse() && !info.framebuffer.base;
	}
	tap_ok(unused == 6, "one without all of its colours is not used");
	begin();
	add(TAG_FRAMEBUFFER, &fb.base, 40 - 8);
	tap_ok(!parse() && info.framebuffer.base, "one with padding is");
}

static void rsdps(void)
{
	begin();
	add_rsdp(TAG_RSDP_OLD, 0x11, 20);
	tap_ok(!parse() && info.rsdp_length == 20 && info.rsdp[19] == 0x11 && !info.rsdp[20],
	       "an old RSDP");
	begin();
	add_rsdp(TAG_RSDP_OLD, 0x11, 20);
	add_rsdp(TAG_RSDP_NEW, 0x22, 36);
	tap_ok(!parse() && info.rsdp_length == 36 && info.rsdp[0] == 0x22, "the new one wins");
	begin();
	add_rsdp(TAG_RSDP_NEW, 0x22, 36);
	add_rsdp(TAG_RSDP_OLD, 0x11, 20);
	tap_ok(!parse() && info.rsdp_length == 36 && info.rsdp[0] == 0x22,
	       "and in the other order");
	begin();
	add_rsdp(TAG_RSDP_NEW, 0x22, 60);
	tap_ok(!parse() && info.rsdp_length == RSDP_MAX && info.rsdp[35] == 0x22,
	       "one of tomorrow is cut to what is known");
	begin();
	add_rsdp(TAG_RSDP_NEW, 0x22, 36);
	add_rsdp(TAG_RSDP_OLD, 0x11, 4);
	add_text(TAG_LOADER, "behind");
	tap_ok(!parse() && info.rsdp_length == 36 && !strcmp(info.loader, "behind"),
	       "a damaged old one does no harm behind a new one");
}

int main(void)
{
	good_list();
	sizes();
	tag_sizes();
	short_tags();
	texts();
	modules();
	memory_maps();
	framebuffers();
	rsdps();
	return tap_done();
}

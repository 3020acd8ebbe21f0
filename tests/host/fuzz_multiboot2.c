/*
 * Feeds the multiboot2 parser with lists that no loader would write, and checks what it promises
 * about its results. Built with -DLIBFUZZER and -fsanitize=fuzzer it is a libFuzzer target;
 * without, its own main makes a fixed number of mutations from a seed, the same ones every time:
 *
 *   fuzz_multiboot2 [MUTATIONS [SEED]]      (default 200000 1)
 *
 * Inputs lie in heap blocks of exactly their size: AddressSanitizer finds a read past the end.
 */
#include <stdio.h>
#include <stdlib.h>

#include "multiboot2_build.h"

#define MAX_EDITS  6
#define GUARD      0xa5
#define PROMISE(x) promise((x), #x, __LINE__)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static unsigned long mutation; /* which one is being tried, to name it when it fails */

static void promise(bool kept, const char *what, int line)
{
	if (kept)
		return;
	printf("not ok 1 - mutation %lu breaks line %d: %s\n1..1\n", mutation, line, what);
	fflush(stdout);
	abort();
}

static bool has_end(const char *text, size_t room)
{
	return strnlen(text, room) < room;
}

static void check(const struct boot_info *info, int error)
{
	PROMISE(!error || (error == -EINVAL && info->problem[0]));
	PROMISE(has_end(info->problem, sizeof(info->problem)) && !strchr(info->problem, '\n'));
	PROMISE(!strcmp(info->protocol, "multiboot2"));
	PROMISE(has_end(info->cmdline, sizeof(info->cmdline)));
	PROMISE(has_end(info->loader, sizeof(info->loader)));
	PROMISE(info->regions <= BOOT_REGIONS && info->modules <= BOOT_MODULES);
	for (unsigned int i = 0; i < info->modules; i++) {
		PROMISE(has_end(info->module[i].name, sizeof(info->module[i].name)));
		PROMISE(info->module[i].base + info->module[i].length <= UINT32_MAX);
	}
	PROMISE(!info->rsdp_length || (info->rsdp_length >= 20 && info->rsdp_length <= RSDP_MAX));
	PROMISE(!info->rsdp_phys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	/* The guard behind it catches a write past the end of its last field. */
	struct {
		struct boot_info info;
		uint8_t guard[64];
	} *out = calloc(1, sizeof(*out));

	memset(out->guard, GUARD, sizeof(out->guard));
	check(&out->info, multiboot2_parse(&out->info, (const void *)data, len));
	for (size_t i = 0; i < sizeof(out->guard); i++)
		PROMISE(out->guard[i] == GUARD);
	free(out);
	return 0;
}

#ifndef LIBFUZZER

static uint64_t random_state;

/* xorshift64*: fast, and the same on every machine. */
static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 0x2545f4914f6cdd1dull >> 32) % limit;
}

/* Tags in any order, some of them more than once. */
static void build(void)
{
	static char text[100];

	memset(text, 'x', sizeof(text));
	begin();
	for (unsigned int tags = 1 + random_below(12); tags; tags--) {
		switch (random_below(8)) {
		case 0:
			add_text(TAG_CMDLINE, "run=test test=smp.* seed=1");
			break;
		case 1:
			add(TAG_LOADER, text, random_below(sizeof(text)));
			break;
		case 2:
			add_module(0x400000, 0x400123, "acpi/APIC.bin");
			break;
		case 3:
			add_mmap(24, random_below(200));
			break;
		case 4:
			add_mmap(24 + 8 * random_below(4), random_below(8));
			break;
		case 5:
			add_framebuffer((uint8_t)random_below(3));
			break;
		case 6:
			add_rsdp(TAG_RSDP_OLD + random_below(2), 0x5a, 20 + random_below(24));
			break;
		default:
			add(random_below(32), "whatever it is", random_below(14));
		}
	}
	seal();
}

/* One small damage: a byte, a bit, a size, a cut, or a piece moved. */
static size_t damage(size_t len)
{
	static const uint32_t sizes[] = { 0,  1,  7,  8,  9,          15,         16,
					  23, 24, 31, 32, 0x7fffffff, 0xfffffff8, 0xffffffff };
	size_t at = random_below((uint32_t)len), from = random_below((uint32_t)len);
	size_t n = random_below(24);
	uint32_t value = sizes[random_below(sizeof(sizes) / sizeof(sizes[0]))];

	switch (random_below(6)) {
	case 0:
		list[at] = (uint8_t)random_below(256);
		break;
	case 1:
		list[at] ^= (uint8_t)(1u << random_below(8));
		break;
	case 2:
		if ((at & ~3ul) + sizeof(value) <= len)
			memcpy(list + (at & ~3ul), &value, sizeof(value));
		break;
	case 3:
		set_total((uint32_t)at + 1); /* mostly as long as the list is then */
		return random_below(4) ? at + 1 : len;
	case 4:
		if (at + n <= len && from + n <= len)
			memmove(list + at, list + from, n);
		break;
	default:
		if (at + n <= len)
			memset(list + at, random_below(2) ? 0xff : 0, n);
	}
	return len;
}

static void one_mutation(void)
{
	uint8_t *data;
	size_t len;

	build();
	len = size;
	for (unsigned int edits = random_below(MAX_EDITS); edits; edits--)
		len = damage(len);
	data = malloc(len);
	memcpy(data, list, len);
	LLVMFuzzerTestOneInput(data, len);
	free(data);
}

int main(int argc, char **argv)
{
	unsigned long mutations = argc > 1 ? strtoul(argv[1], NULL, 0) : 200000;
	unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;

	random_state = seed * 2 + 1; /* never 0, where it would stay */
	puts("TAP version 13");
	for (mutation = 0; mutation < mutations; mutation++)
		one_mutation();
	printf("ok 1 - %lu mutations from seed %lu\n1..1\n", mutations, seed);
	return 0;
}

#endif

/*
 * Feeds the ACPI parsers with what no firmware would write, and checks what they promise about
 * their results. Built with -DLIBFUZZER and -fsanitize=fuzzer it is a libFuzzer target; without,
 * its own main makes a fixed number of mutations from a seed, the same ones every time:
 *
 *   fuzz_madt [MUTATIONS [SEED]]      (default 200000 1)
 *
 * Inputs lie in heap blocks of exactly their size: AddressSanitizer finds a read past the end.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/acpi.c>
#include <lib/acpi_tables.c>
#include <lib/madt.c>

#include "madt_build.h"

#define CPUS       16
#define MAX_INPUT  1024
#define MAX_EDITS  6
#define PROMISE(x) promise((x), #x, __LINE__)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static unsigned int nr_lines;
static unsigned long mutation; /* which one is being tried, to name it when it fails */

static void promise(bool kept, const char *what, int line)
{
	if (kept)
		return;
	printf("not ok 1 - mutation %lu breaks line %d: %s\n1..1\n", mutation, line, what);
	fflush(stdout);
	abort();
}

/* Formats, so that a wrong argument is noticed; a line is one line, and has an end. */
__attribute__((format(printf, 2, 3))) static void collect(void *ctx, const char *fmt, ...)
{
	char line[160];
	va_list args;
	int len;

	(void)ctx;
	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	PROMISE(len > 0 && (size_t)len < sizeof(line) && !strchr(line, '\n'));
	nr_lines++;
}

static const struct acpi_env env = { .report = collect };

static void check_cpus(const struct madt *madt)
{
	unsigned int enabled = 0;

	PROMISE(madt->nr_cpus <= CPUS);
	PROMISE(madt->nr_cpus == CPUS || !madt->nr_no_room);
	for (unsigned int i = 0; i < madt->nr_cpus; i++) {
		const struct madt_cpu *cpu = &madt->cpus[i];

		PROMISE(cpu->enabled != cpu->online_capable);
		PROMISE(cpu->apic_id < (cpu->x2 ? MADT_X2APIC_BROADCAST : MADT_XAPIC_BROADCAST));
		PROMISE(cpu->nmi_lints <= 3);
		enabled += cpu->enabled;
		for (unsigned int j = 0; j < i; j++)
			PROMISE(madt->cpus[j].apic_id != cpu->apic_id);
	}
	PROMISE(enabled == madt->nr_enabled);
}

static void check_interrupts(const struct madt *madt)
{
	PROMISE(madt->lapic_phys % 4096 == 0 && madt->lapic_phys < 1ull << 52);
	PROMISE(madt->nr_ioapics <= MADT_MAX_IOAPICS);
	for (unsigned int i = 0; i < madt->nr_ioapics; i++)
		PROMISE(madt->ioapics[i].address);
	for (unsigned int i = 0; i < MADT_ISA_IRQS; i++) {
		PROMISE(madt->isa[i].overridden || madt->isa[i].gsi == i);
		PROMISE(!(madt->isa[i].flags & ~(MADT_POLARITY | MADT_TRIGGER)));
	}
}

static void fuzz_madt(const uint8_t *data, size_t len)
{
	/* The guard behind the array catches a CPU too many inside one block of memory. */
	struct madt_cpu cpus[CPUS + 1];
	struct madt madt = { .cpus = cpus, .cpu_capacity = CPUS };
	int error;

	memset(cpus, 0xa5, sizeof(cpus));
	nr_lines = 0;
	error = madt_parse(data, len, &madt, &env);
	PROMISE(!error || error == -EINVAL);
	PROMISE(cpus[CPUS].apic_id == 0xa5a5a5a5);
	PROMISE(!error || !madt.nr_cpus);
	/* Those of the header, the findings up to their limit, and at most three sums. */
	PROMISE(nr_lines <= 1 + MADT_MAX_LINES + 3);
	check_cpus(&madt);
	check_interrupts(&madt);
}

static void fuzz_others(const uint8_t *data, size_t len)
{
	struct acpi_rsdp_info rsdp;
	struct acpi_fadt fadt;
	struct acpi_hpet hpet;
	uint8_t a = 0, b = 0;

	if (!acpi_rsdp_search(data, len, &rsdp))
		PROMISE(rsdp.rsdt || rsdp.xsdt);
	acpi_table_check(data, len);
	acpi_fadt_parse(data, len, &fadt, &env);
	PROMISE(fadt.pm_timer.space <= ACPI_SPACE_IO && fadt.reset.space <= ACPI_SPACE_PCI);
	if (!acpi_hpet_parse(data, len, &hpet, &env))
		PROMISE(hpet.address && hpet.address % 8 == 0);
	acpi_find_s5(data, len, &a, &b);
	PROMISE(a <= SLP_TYP_MAX && b <= SLP_TYP_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_madt(data, len);
	fuzz_others(data, len);
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

static void build_madt(void)
{
	begin(5);
	add_address(0xfee00000);
	for (unsigned int i = 0; i < 6; i++)
		add_lapic(i, 2 * i, MADT_CPU_ENABLED);
	for (unsigned int i = 0; i < 6; i++)
		add_x2apic(i + 6, 250 + i, i & 1 ? MADT_CPU_ENABLED : MADT_CPU_ONLINE_CAPABLE);
	add_ioapic(0, 0xfec00000, 0);
	add_ioapic(1, 0xfec01000, 24);
	add_override(0, 0, 2, 0);
	add_override(0, 9, 9, MADT_TRIGGER_LEVEL);
	add_lapic_nmi(MADT_EVERY_UID_8, 5, 1);
	add_x2apic_nmi(7, 5, 1);
	seal();
}

/* The other tables, one behind the other's signature: most of their bytes may be anything. */
static void build_other(unsigned int which)
{
	static const char s5[] = "\x08_S5_\x12\x06\x04\x0a\x05\x0a\x05\x00\x00";
	struct rsdp rsdp = { .signature = RSDP_SIGNATURE, .revision = 2, .rsdt = 1, .length = 36 };

	begin(5);
	for (size = sizeof(struct acpi_header); size < 276; size++)
		table[size] = random_below(4) ? 0 : random_below(256);
	memcpy(table, which & 1 ? "FACP" : "HPET", 4);
	memcpy(table + 200, s5, sizeof(s5));
	for (size_t i = 0; i < RSDP_V1_SIZE; i++)
		rsdp.checksum -= ((uint8_t *)&rsdp)[i];
	memcpy(table + 240, &rsdp, sizeof(rsdp));
	seal();
}

/* One small damage: a byte, a bit, a field of interesting values, a cut, or a piece moved. */
static size_t damage(uint8_t *data, size_t len)
{
	static const uint8_t interesting[] = { 0, 1, 2, 4, 8, 12, 16, 0x7f, 0x80, 0xfe, 0xff };
	size_t at = random_below(len), from = random_below(len), n = random_below(24);

	switch (random_below(6)) {
	case 0:
		data[at] = random_below(256);
		break;
	case 1:
		data[at] ^= 1u << random_below(8);
		break;
	case 2:
		data[at] = interesting[random_below(sizeof(interesting))];
		break;
	case 3:
		return at + 1;
	case 4:
		if (at + n <= len && from + n <= len)
			memmove(data + at, data + from, n);
		break;
	default:
		if (at + n <= len)
			memset(data + at, random_below(2) ? 0xff : 0, n);
	}
	return len;
}

static void one_mutation(void)
{
	uint8_t *data;
	size_t len;

	if (mutation % 4)
		build_madt();
	else
		build_other(mutation / 4);
	len = size;
	for (unsigned int edits = random_below(MAX_EDITS); edits; edits--)
		len = damage(table, len);
	data = malloc(len);
	memcpy(data, table, len);
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

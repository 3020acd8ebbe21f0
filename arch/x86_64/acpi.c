/*
 * Finding the ACPI tables on a PC: from the loader, or in the two places where a
 * BIOS leaves the RSDP (ACPI 6.5 §5.2.5.1). The parsing itself is in lib.
 */
#include "acpi.h"
#include "fw_cfg.h"
#include <arch/mm.h>
#include <boot/boot_info.h>
#include <kernel/console/printk.h>
#include <kernel/mm/frames.h>
#include <lib/errno.h>
#include <lib/string.h>

#define EBDA_SEARCH     1024
#define BIOS_AREA       0xe0000
#define BIOS_AREA_SIZE  0x20000
#define MADT_NAME       "acpi/APIC.bin"
#define MADT_FILE       "opt/nudge/" MADT_NAME
#define MADT_FILE_PAGES 16

struct acpi_fadt acpi_fadt;
struct acpi_hpet acpi_hpet;
bool acpi_no_x2apic;

static struct acpi_root root;
static bool root_found;
static bool soft_off_known;
static uint8_t soft_off_a, soft_off_b; /* SLP_TYP of PM1a and PM1b */

static const void *map(void *ctx, uint64_t phys, size_t length)
{
	(void)ctx;
	return arch_map_firmware(phys, length);
}

static void __attribute__((format(printf, 2, 3))) report(void *ctx, const char *format, ...)
{
	va_list args;

	(void)ctx;
	va_start(args, format);
	printk_line("acpi: ", format, args);
	va_end(args);
}

static const struct acpi_env env = { .map = map, .report = report };

static int search_area(uint64_t phys, size_t length, struct acpi_rsdp_info *rsdp)
{
	const void *area = arch_map_firmware(phys, length);

	return area ? acpi_rsdp_search(area, length, rsdp) : -ENOENT;
}

static int search_bios(struct acpi_rsdp_info *rsdp)
{
	const uint16_t *segment = arch_map_firmware(EBDA_SEGMENT, sizeof(*segment));
	uint64_t ebda = segment ? (uint64_t)*segment << 4 : 0;

	if (ebda && !search_area(ebda, EBDA_SEARCH, rsdp))
		return 0;
	return search_area(BIOS_AREA, BIOS_AREA_SIZE, rsdp);
}

static int find_rsdp(struct acpi_rsdp_info *rsdp)
{
	const void *given;

	if (boot_info.rsdp_length && !acpi_rsdp_check(boot_info.rsdp, boot_info.rsdp_length, rsdp))
		return 0;
	given = boot_info.rsdp_phys ? arch_map_firmware(boot_info.rsdp_phys, RSDP_MAX) : NULL;
	if (given && !acpi_rsdp_check(given, RSDP_MAX, rsdp))
		return 0;
	if (boot_info.rsdp_length || given)
		printk("acpi: the loader's RSDP is damaged, looking in the BIOS areas\n");
	return search_bios(rsdp);
}

/* Now, while memory may be mapped: who switches off may be in a panic. */
static void find_soft_off(void)
{
	const void *dsdt;
	size_t length;

	if (!acpi_fadt.dsdt)
		return;
	dsdt = acpi_map_table(acpi_fadt.dsdt, "DSDT", &env, &length);
	soft_off_known = dsdt && !acpi_find_s5(dsdt, length, &soft_off_a, &soft_off_b);
}

void acpi_init(void)
{
	struct acpi_rsdp_info rsdp;
	const void *table;
	size_t length;

	if (find_rsdp(&rsdp)) {
		printk("acpi: no RSDP found, so no tables\n");
		return;
	}
	if (acpi_open_root(&rsdp, &env, &root)) {
		printk("acpi: neither XSDT nor RSDT can be used\n");
		return;
	}
	root_found = true;
	table = acpi_find_table(&root, "FACP", &env, &length);
	if (table)
		acpi_fadt_parse(table, length, &acpi_fadt, &env);
	table = acpi_find_table(&root, "HPET", &env, &length);
	if (table)
		acpi_hpet_parse(table, length, &acpi_hpet, &env);
	table = acpi_find_table(&root, "DMAR", &env, &length);
	acpi_no_x2apic = table && acpi_x2apic_opt_out(table, length, &env);
	find_soft_off();
}

static const void *madt_from_module(size_t *length)
{
	for (unsigned int i = 0; i < boot_info.modules; i++) {
		const struct boot_module *module = &boot_info.module[i];

		if (strcmp(module->name, MADT_NAME))
			continue;
		*length = module->length;
		return arch_map_firmware(module->base, module->length);
	}
	return NULL;
}

static const void *madt_from_fw_cfg(size_t *length)
{
	size_t size = fw_cfg_size(MADT_FILE);
	uint64_t frames;

	if (!size)
		return NULL;
	if (size > MADT_FILE_PAGES * PAGE_SIZE) {
		printk("acpi: %s of %zu bytes is too large, not used\n", MADT_FILE, size);
		return NULL;
	}
	frames = frames_alloc(MADT_FILE_PAGES, ~0ull);
	if (!frames)
		return NULL;
	*length = fw_cfg_read(MADT_FILE, phys_to_virt(frames), size);
	return phys_to_virt(frames);
}

int acpi_read_madt(struct madt *madt)
{
	const char *source = "the boot module " MADT_NAME;
	size_t length = 0;
	const void *table = madt_from_module(&length);

	if (!table) {
		source = "fw_cfg's " MADT_FILE;
		table = madt_from_fw_cfg(&length);
	}
	if (table)
		printk("acpi: the MADT is replaced by %s (%zu bytes)\n", source, length);
	else if (root_found)
		table = acpi_find_table(&root, "APIC", &env, &length);
	if (!table)
		return -ENODEV;
	return madt_parse(table, length, madt, &env);
}

int acpi_soft_off_types(uint8_t *a, uint8_t *b)
{
	*a = soft_off_a;
	*b = soft_off_b;
	return soft_off_known ? 0 : -ENODEV;
}

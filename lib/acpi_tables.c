/*
 * Reads the FADT and HPET tables of every age, and finds the soft-off values in a DSDT. Old tables
 * are short, and firmware fills in fields for hardware that it has not got, so every field is asked
 * for before it is believed.
 */
#include <lib/acpi_tables.h>
#include <lib/errno.h>
#include <lib/string.h>

/* Fixed ACPI Description Table: the fields that are used. ACPI 6.5 §5.2.9, table 5.9 */
struct fadt {
	struct acpi_header header;
	uint32_t firmware_ctrl;
	uint32_t dsdt;
	uint8_t unused1[20];
	uint32_t pm1a_control;
	uint32_t pm1b_control;
	uint32_t pm2_control;
	uint32_t pm_timer;
	uint8_t unused2[9];
	uint8_t pm1_control_len;
	uint8_t pm2_control_len;
	uint8_t pm_timer_len;
	uint8_t unused3[17];
	uint16_t boot_flags; /* reserved in revision 1 */
	uint8_t unused4;
	uint32_t flags;
	struct acpi_gas reset; /* the end in revision 1 */
	uint8_t reset_value;
	uint8_t unused5[11];
	uint64_t x_dsdt;
	struct acpi_gas x_pm1_event[2];
	struct acpi_gas x_pm1a_control;
	struct acpi_gas x_pm1b_control;
	struct acpi_gas x_pm2_control;
	struct acpi_gas x_pm_timer;
} __attribute__((packed));
_Static_assert(offsetof(struct fadt, pm1a_control) == 64, "ACPI 6.5 table 5.9");
_Static_assert(offsetof(struct fadt, pm_timer) == 76, "ACPI 6.5 table 5.9");
_Static_assert(offsetof(struct fadt, pm_timer_len) == 91, "ACPI 6.5 table 5.9");
_Static_assert(offsetof(struct fadt, boot_flags) == 109, "ACPI 6.5 table 5.9");
_Static_assert(offsetof(struct fadt, reset) == 116, "ACPI 6.5 table 5.9");
_Static_assert(offsetof(struct fadt, x_dsdt) == 140, "ACPI 6.5 table 5.9");
_Static_assert(offsetof(struct fadt, x_pm1a_control) == 172, "ACPI 6.5 table 5.9");
_Static_assert(offsetof(struct fadt, x_pm_timer) == 208, "ACPI 6.5 table 5.9");

#define FADT_V1_SIZE          116
#define FADT_TIMER_32BIT      (1u << 8)
#define FADT_RESET_SUPPORTED  (1u << 10)
#define FADT_HARDWARE_REDUCED (1u << 20) /* no PM1 registers, no PM timer */
#define FADT_BOOT_8042        (1u << 1)
#define FADT_BOOT_NO_VGA      (1u << 2)
#define FADT_BOOT_FLAGS_SINCE 2 /* revision */
#define PM_TIMER_LEN          4 /* bytes; anything else means that there is none */

/* Does a table of @len bytes reach to the end of that field? */
#define HAS_FIELD(len, field) \
	((len) >= offsetof(struct fadt, field) + sizeof(((struct fadt *)0)->field))

static bool register_usable(const struct acpi_gas *gas)
{
	if (gas->space == ACPI_SPACE_IO)
		return gas->address && gas->address <= UINT16_MAX;
	return gas->address && gas->space == ACPI_SPACE_MEMORY;
}

/* The reset register alone may also lie in a PCI device's configuration space. ACPI 6.5 §4.8.3.6 */
static bool reset_usable(const struct acpi_gas *gas)
{
	return register_usable(gas) || (gas->address && gas->space == ACPI_SPACE_PCI);
}

/* The extended form of a register where the table has a usable one, else the old I/O port. */
static struct acpi_gas choose_register(const struct fadt *fadt, size_t len, size_t extended,
				       uint32_t port, uint8_t port_bytes)
{
	struct acpi_gas gas = { 0 };

	if (len >= extended + sizeof(gas))
		memcpy(&gas, (const uint8_t *)fadt + extended, sizeof(gas));
	if (register_usable(&gas))
		return gas;
	gas = (struct acpi_gas){ ACPI_SPACE_IO, .bit_width = port_bytes * 8, .address = port };
	if (!register_usable(&gas))
		gas.address = 0;
	return gas;
}

static void read_fixed_hardware(const struct fadt *fadt, size_t len, struct acpi_fadt *out)
{
	out->pm1a_control = choose_register(fadt, len, offsetof(struct fadt, x_pm1a_control),
					    fadt->pm1a_control, fadt->pm1_control_len);
	out->pm1b_control = choose_register(fadt, len, offsetof(struct fadt, x_pm1b_control),
					    fadt->pm1b_control, fadt->pm1_control_len);
	if (fadt->pm_timer_len != PM_TIMER_LEN)
		return;
	out->pm_timer = choose_register(fadt, len, offsetof(struct fadt, x_pm_timer),
					fadt->pm_timer, PM_TIMER_LEN);
	out->pm_timer_32bit = fadt->flags & FADT_TIMER_32BIT;
}

int acpi_fadt_parse(const void *table, size_t avail, struct acpi_fadt *out,
		    const struct acpi_env *env)
{
	const struct fadt *fadt = table;
	size_t len = acpi_usable_length(table, avail, "FACP", env);

	*out = (struct acpi_fadt){ .has_8042 = true };
	if (len < FADT_V1_SIZE)
		return -EINVAL;
	out->dsdt = fadt->dsdt;
	if (HAS_FIELD(len, x_dsdt) && fadt->x_dsdt)
		out->dsdt = fadt->x_dsdt;
	if (!(fadt->flags & FADT_HARDWARE_REDUCED))
		read_fixed_hardware(fadt, len, out);
	if (fadt->header.revision >= FADT_BOOT_FLAGS_SINCE) {
		out->has_8042 = fadt->boot_flags & FADT_BOOT_8042;
		out->no_vga = fadt->boot_flags & FADT_BOOT_NO_VGA;
	}
	if (HAS_FIELD(len, reset_value) && (fadt->flags & FADT_RESET_SUPPORTED) &&
	    reset_usable(&fadt->reset)) {
		out->reset = fadt->reset;
		out->reset_value = fadt->reset_value;
	}
	return 0;
}

/* High Precision Event Timer description table. IA-PC HPET specification 1.0a §3.2.4 */
struct hpet {
	struct acpi_header header;
	uint32_t block_id;
	struct acpi_gas base;
	uint8_t number;
	uint16_t min_tick;
	uint8_t page_protection;
} __attribute__((packed));
_Static_assert(offsetof(struct hpet, base) == 40, "HPET 1.0a table 3");
_Static_assert(sizeof(struct hpet) == 56, "HPET 1.0a table 3");

int acpi_hpet_parse(const void *table, size_t avail, struct acpi_hpet *out,
		    const struct acpi_env *env)
{
	const struct hpet *hpet = table;

	*out = (struct acpi_hpet){ 0 };
	if (acpi_usable_length(table, avail, "HPET", env) < sizeof(*hpet))
		return -EINVAL;
	if (hpet->base.space != ACPI_SPACE_MEMORY || !hpet->base.address ||
	    hpet->base.address % sizeof(uint64_t))
		return -ENXIO;
	out->address = hpet->base.address;
	out->min_tick = hpet->min_tick;
	return 0;
}

/* DMA remapping table. Intel VT-d specification 4.1 §8.1 */
struct dmar {
	struct acpi_header header;
	uint8_t address_width;
	uint8_t flags;
	uint8_t reserved[10];
} __attribute__((packed));
_Static_assert(sizeof(struct dmar) == 48, "VT-d 4.1 §8.1");

#define DMAR_X2APIC_OPT_OUT (1u << 1)

bool acpi_x2apic_opt_out(const void *table, size_t avail, const struct acpi_env *env)
{
	size_t len = acpi_usable_length(table, avail, "DMAR", env);

	return len >= sizeof(struct dmar) &&
	       ((const struct dmar *)table)->flags & DMAR_X2APIC_OPT_OUT;
}

/*
 * The name of the soft-off state, and its value, in AML. ACPI 6.5 §7.4.2, §20.2.4, §20.2.5.4
 *
 *  08     5C        5F 53 35 5F  12         n           n      0A xx    0A xx    ...
 * +------+---------+------------+----------+-----------+------+--------+--------+---
 * |NameOp|  root,  | "_S5_"     | PackageOp| PkgLength,| items|  PM1a  |  PM1b  |
 * |      | optional|            |          | 1-4 bytes |      | integer| integer|
 * +------+---------+------------+----------+-----------+------+--------+--------+---
 * Where there is but one item, its low byte is for PM1a and its second one for PM1b.
 */
#define AML_ZERO         0x00
#define AML_ONE          0x01
#define AML_NAME         0x08
#define AML_BYTE         0x0a
#define AML_WORD         0x0b
#define AML_DWORD        0x0c
#define AML_PACKAGE      0x12
#define AML_ROOT         0x5c
#define AML_NAME_SIZE    4
#define AML_LENGTH_SHIFT 6 /* the lead byte of a PkgLength counts the bytes that follow it */

#define SLP_TYP_MAX 7 /* three bits of PM1 control. ACPI 6.5 table 4.14 */

/* A stretch of AML that is yet to be read. */
struct aml {
	const uint8_t *at;
	const uint8_t *end;
};

static bool take_bytes(struct aml *aml, size_t n, uint32_t *value)
{
	*value = 0;
	if ((size_t)(aml->end - aml->at) < n)
		return false;
	for (size_t i = 0; i < n; i++)
		*value |= (uint32_t)aml->at[i] << (8 * i);
	aml->at += n;
	return true;
}

static bool take_integer(struct aml *aml, uint32_t *value)
{
	uint32_t op;

	if (!take_bytes(aml, 1, &op))
		return false;
	switch (op) {
	case AML_ZERO:
	case AML_ONE:
		*value = op;
		return true;
	case AML_BYTE:
		return take_bytes(aml, 1, value);
	case AML_WORD:
		return take_bytes(aml, 2, value);
	case AML_DWORD:
		return take_bytes(aml, 4, value);
	default:
		return false;
	}
}

/* Reads the package that follows the name. */
static bool take_s5_package(struct aml aml, uint32_t *a, uint32_t *b)
{
	uint32_t op, lead, rest, items;

	if (!take_bytes(&aml, 1, &op) || op != AML_PACKAGE)
		return false;
	if (!take_bytes(&aml, 1, &lead) || !take_bytes(&aml, lead >> AML_LENGTH_SHIFT, &rest))
		return false;
	if (!take_bytes(&aml, 1, &items) || !items || !take_integer(&aml, a))
		return false;
	if (items > 1)
		return take_integer(&aml, b) && *a <= SLP_TYP_MAX && *b <= SLP_TYP_MAX;
	*b = *a >> 8 & 0xff;
	*a &= 0xff;
	return *a <= SLP_TYP_MAX && *b <= SLP_TYP_MAX;
}

/* Is what stands at @i the name in a definition, and not a mention of it? */
static bool s5_defined_at(const uint8_t *aml, size_t i)
{
	if (memcmp(aml + i, "_S5_", AML_NAME_SIZE))
		return false;
	if (i >= 1 && aml[i - 1] == AML_NAME)
		return true;
	return i >= 2 && aml[i - 1] == AML_ROOT && aml[i - 2] == AML_NAME;
}

int acpi_find_s5(const void *dsdt, size_t len, uint8_t *slp_typa, uint8_t *slp_typb)
{
	const uint8_t *aml = dsdt;
	uint32_t a, b;
	int error = -ENOENT;

	for (size_t i = 0; i + AML_NAME_SIZE <= len; i++) {
		if (!s5_defined_at(aml, i))
			continue;
		if (take_s5_package((struct aml){ aml + i + AML_NAME_SIZE, aml + len }, &a, &b)) {
			*slp_typa = a;
			*slp_typb = b;
			return 0;
		}
		error = -EPROTO;
	}
	return error;
}

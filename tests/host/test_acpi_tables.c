/*
 * FADTs of every age and length, HPET tables, and the soft-off values in AML, well-formed and not.
 */
#include <lib/acpi_tables.c>

#include "acpi_case.h"

static struct fadt good_fadt(uint8_t revision)
{
	return (struct fadt){
		.header = { .revision = revision },
		.dsdt = 0x1000,
		.pm1a_control = 0x604,
		.pm1b_control = 0,
		.pm_timer = 0x608,
		.pm1_control_len = 2,
		.pm_timer_len = 4,
		.boot_flags = FADT_BOOT_NO_VGA,
		.flags = FADT_TIMER_32BIT | FADT_RESET_SUPPORTED,
		.reset = { ACPI_SPACE_IO, 8, 0, 1, 0xcf9 },
		.reset_value = 6,
		.x_dsdt = 0x100002000,
		.x_pm1a_control = { ACPI_SPACE_IO, 16, 0, 2, 0x704 },
		.x_pm1b_control = { ACPI_SPACE_MEMORY, 16, 0, 2, 0xfed80000 },
		.x_pm_timer = { ACPI_SPACE_IO, 32, 0, 3, 0x708 },
	};
}

/* Parses the first @len bytes of a FADT, made a whole table of that length. */
static int parse_fadt(struct fadt fadt, size_t len, struct acpi_fadt *out)
{
	uint8_t *copy = malloc(len);
	int error;

	nr_lines = 0;
	seal(&fadt, "FACP", len);
	memcpy(copy, &fadt, len);
	error = acpi_fadt_parse(copy, len, out, &env);
	free(copy);
	return error;
}

static void fadt_ages(void)
{
	struct acpi_fadt out;

	tap_ok(!parse_fadt(good_fadt(1), 116, &out) && out.dsdt == 0x1000 && !nr_lines,
	       "a FADT of ACPI 1.0");
	tap_ok(out.pm1a_control.space == ACPI_SPACE_IO && out.pm1a_control.address == 0x604 &&
		       out.pm1a_control.bit_width == 16 && !out.pm1b_control.address &&
		       out.pm_timer.address == 0x608 && out.pm_timer.bit_width == 32 &&
		       out.pm_timer_32bit,
	       "its registers are I/O ports");
	tap_ok(!out.reset.address && out.has_8042 && !out.no_vga,
	       "it has no reset register, and cannot say that there is no 8042");

	tap_ok(!parse_fadt(good_fadt(6), sizeof(struct fadt), &out) && out.dsdt == 0x100002000,
	       "a FADT of today");
	tap_ok(out.pm1a_control.address == 0x704 && out.pm1b_control.address == 0xfed80000 &&
		       out.pm1b_control.space == ACPI_SPACE_MEMORY && out.pm_timer.address == 0x708,
	       "its extended registers are preferred");
	tap_ok(out.reset.address == 0xcf9 && out.reset_value == 6 && !out.has_8042 && out.no_vga,
	       "it has a reset register and boot flags");
	tap_ok(parse_fadt(good_fadt(1), 115, &out) == -EINVAL, "115 bytes are no FADT");
}

/* Every field that a FADT may be too short for, one byte short of its end and with that byte. */
static void fadt_lengths(void)
{
	struct acpi_fadt out;

	tap_ok(!parse_fadt(good_fadt(2), 128, &out) && !out.reset.address && !out.reset_value &&
		       !parse_fadt(good_fadt(2), 129, &out) && out.reset.address == 0xcf9,
	       "the reset register comes with its value");
	tap_ok(!parse_fadt(good_fadt(2), 147, &out) && out.dsdt == 0x1000 &&
		       !parse_fadt(good_fadt(2), 148, &out) && out.dsdt == 0x100002000,
	       "the extended DSDT address");
	tap_ok(!parse_fadt(good_fadt(2), 183, &out) && out.pm1a_control.address == 0x604 &&
		       !parse_fadt(good_fadt(2), 184, &out) && out.pm1a_control.address == 0x704,
	       "the extended PM1a control register");
	tap_ok(!parse_fadt(good_fadt(2), 195, &out) && !out.pm1b_control.address &&
		       !parse_fadt(good_fadt(2), 196, &out) && out.pm1b_control.address,
	       "the extended PM1b control register");
	tap_ok(!parse_fadt(good_fadt(2), 219, &out) && out.pm_timer.address == 0x608 &&
		       !parse_fadt(good_fadt(2), 220, &out) && out.pm_timer.address == 0x708,
	       "the extended PM timer");
}

static void fadt_fields(void)
{
	struct fadt fadt = good_fadt(3);
	struct acpi_fadt out;

	fadt.x_dsdt = 0;
	fadt.x_pm1a_control.address = 0;
	fadt.x_pm_timer.space = 0x7f;
	fadt.x_pm1b_control = (struct acpi_gas){ ACPI_SPACE_IO, 16, 0, 2, 0x10000 };
	tap_ok(!parse_fadt(fadt, sizeof(fadt), &out) && out.dsdt == 0x1000 &&
		       out.pm1a_control.address == 0x604 && out.pm_timer.address == 0x608 &&
		       !out.pm1b_control.address,
	       "extended fields that are null or impossible give way to the old ones");

	fadt.flags = FADT_HARDWARE_REDUCED | FADT_TIMER_32BIT;
	tap_ok(!parse_fadt(fadt, sizeof(fadt), &out) && !out.pm_timer.address &&
		       !out.pm1a_control.address && !out.reset.address && !out.pm_timer_32bit,
	       "hardware-reduced: no PM registers; and no reset without its flag");

	fadt = good_fadt(3);
	fadt.pm_timer_len = 0;
	fadt.flags &= ~FADT_TIMER_32BIT;
	fadt.boot_flags = FADT_BOOT_8042;
	fadt.reset = (struct acpi_gas){ ACPI_SPACE_PCI, 8, 0, 1, 0x1f000000dc };
	tap_ok(!parse_fadt(fadt, sizeof(fadt), &out) && !out.pm_timer.address && out.has_8042 &&
		       !out.no_vga && out.reset.space == ACPI_SPACE_PCI,
	       "no PM timer, an 8042, a reset register in PCI configuration space");
	fadt.pm_timer_len = 4;
	fadt.reset.space = 3;
	tap_ok(!parse_fadt(fadt, sizeof(fadt), &out) && out.pm_timer.address &&
		       !out.pm_timer_32bit && !out.reset.address,
	       "a timer of 24 bits; a reset register in no space that is known");
}

static void damaged_headers(void)
{
	struct fadt fadt = good_fadt(3);
	struct acpi_fadt out;

	seal(&fadt, "FACP", sizeof(fadt));
	fadt.header.checksum++;
	nr_lines = 0;
	tap_ok(!acpi_fadt_parse(&fadt, sizeof(fadt), &out, &env) && out.dsdt &&
		       only("FACP: bad checksum, used all the same"),
	       "a bad checksum is reported and the table used");
	seal(&fadt, "FACP", sizeof(fadt));
	nr_lines = 0;
	tap_ok(!acpi_fadt_parse(&fadt, 130, &out, &env) && out.dsdt == 0x1000 &&
		       only("FACP: length 0xdc, but only 0x82 bytes are there"),
	       "a table that is cut off is read as far as it goes");
	seal(&fadt, "FADT", sizeof(fadt));
	tap_ok(acpi_fadt_parse(&fadt, sizeof(fadt), &out, &env) == -EINVAL,
	       "the FADT's signature is FACP");
}

static int parse_hpet(struct hpet hpet, size_t len, struct acpi_hpet *out)
{
	uint8_t *copy = malloc(len);
	int error;

	seal(&hpet, "HPET", len);
	memcpy(copy, &hpet, len);
	error = acpi_hpet_parse(copy, len, out, &env);
	free(copy);
	return error;
}

static bool opts_out(uint8_t flags, size_t len)
{
	struct dmar dmar = { .address_width = 38, .flags = flags };
	uint8_t *copy = malloc(len);
	bool found;

	seal(&dmar, "DMAR", len);
	memcpy(copy, &dmar, len);
	found = acpi_x2apic_opt_out(copy, len, &env);
	free(copy);
	return found;
}

static void dmars(void)
{
	tap_ok(opts_out(2, sizeof(struct dmar)) && opts_out(3, sizeof(struct dmar)),
	       "a DMAR that wants no x2APIC");
	tap_ok(!opts_out(1, sizeof(struct dmar)), "one that does not say so");
	tap_ok(!opts_out(2, sizeof(struct dmar) - 1), "one too short");
}

static void hpets(void)
{
	struct hpet hpet = {
		.base = { ACPI_SPACE_MEMORY, 64, 0, 0, 0xfed00000 },
		.min_tick = 100,
	};
	struct acpi_hpet out;

	tap_ok(!parse_hpet(hpet, sizeof(hpet), &out) && out.address == 0xfed00000 &&
		       out.min_tick == 100,
	       "an HPET");
	tap_ok(parse_hpet(hpet, sizeof(hpet) - 1, &out) == -EINVAL, "one too short");
	hpet.base.address = 0;
	tap_ok(parse_hpet(hpet, sizeof(hpet), &out) == -ENXIO, "one at address 0");
	hpet.base.address = 0xfed00004;
	tap_ok(parse_hpet(hpet, sizeof(hpet), &out) == -ENXIO, "one on no 8-byte boundary");
	hpet.base = (struct acpi_gas){ ACPI_SPACE_IO, 64, 0, 0, 0x400 };
	tap_ok(parse_hpet(hpet, sizeof(hpet), &out) == -ENXIO, "one that is not in memory");
}

/* Looks for _S5_ in a heap block of exactly these bytes; 0xAABB or a negative error. */
static int s5_in(const char *aml, size_t len)
{
	uint8_t *copy = malloc(len + !len);
	uint8_t a = 0xee, b = 0xee;
	int error;

	memcpy(copy, aml, len);
	error = acpi_find_s5(copy, len, &a, &b);
	free(copy);
	return error ? error : a << 8 | b;
}

#define S5(aml) s5_in(aml, sizeof(aml) - 1)

static void s5_encodings(void)
{
	tap_ok(S5("xx\x08_S5_\x12\x06\x04\x0a\x05\x0a\x03\x00\x00") == 0x0503, "bytes");
	tap_ok(S5("\x08_S5_\x12\x06\x04\x00\x01\x00\x00") == 0x0001, "Zero and One");
	tap_ok(S5("\x08\\_S5_\x12\x06\x02\x0b\x07\x00\x0c\x06\x00\x00\x00") == 0x0706,
	       "a root prefix, a word and a double word");
	tap_ok(S5("\x08_S5_\x12\x47\x00\x02\x0a\x01\x0a\x02") == 0x0102,
	       "a package length of 2 bytes");
	tap_ok(S5("\x08_S5_\x12\xc7\x00\x00\x00\x02\x0a\x01\x0a\x02") == 0x0102, "and of 4 bytes");
	tap_ok(S5("\x08_S5_\x12\x05\x01\x0b\x05\x06") == 0x0506, "both values in one word");
	tap_ok(S5("_S5_\x08_S5_\x12\x06\x02\x01\x01") == 0x0101, "a mention is no definition");
	tap_ok(S5("\x08_S5_\x00\x08_S5_\x12\x06\x02\x01\x01") == 0x0101,
	       "one that can be read after one that cannot");
}

static void s5_damage(void)
{
	static const char whole[] = "\x08_S5_\x12\x47\x00\x02\x0a\x01\x0b\x02\x00";
	bool ok = true;

	tap_ok(S5("") == -ENOENT && S5("_S5") == -ENOENT && S5("_S5_") == -ENOENT &&
		       S5("\\_S5_\x12\x06\x02\x01\x01") == -ENOENT,
	       "no definition");
	for (size_t len = 5; len < sizeof(whole) - 1; len++)
		ok &= s5_in(whole, len) == -EPROTO;
	tap_ok(ok && S5(whole) == 0x0102, "cut off after every byte");
	tap_ok(S5("\x08_S5_\x12\x06\x02\x0a\x08\x01") == -EPROTO,
	       "a value of more than three bits");
	tap_ok(S5("\x08_S5_\x12\x06\x02\x01\x0a\x08") == -EPROTO, "the second one too");
	tap_ok(S5("\x08_S5_\x12\x06\x01\x0b\x05\x08") == -EPROTO, "or either half of a word");
	tap_ok(S5("\x08_S5_\x12\x02\x00\x01\x01") == -EPROTO, "an empty package");
	tap_ok(S5("\x08_S5_\x12\x06\x02\x0d\x01\x01") == -EPROTO,
	       "a string in place of an integer");
	tap_ok(S5("\x08_S5_\x11\x06\x02\x01\x01") == -EPROTO, "a buffer in place of a package");
}

int main(void)
{
	fadt_ages();
	fadt_lengths();
	fadt_fields();
	damaged_headers();
	hpets();
	dmars();
	s5_encodings();
	s5_damage();
	fresh();
	return tap_done();
}

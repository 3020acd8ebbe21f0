/*
 * The few ACPI tables that a kernel without an AML interpreter can use: the FADT, the HPET's, a flag
 * of the DMAR's, and one value out of the DSDT. As with all of <lib/acpi.h>: pure functions, any context.
 */
#ifndef LIB_ACPI_TABLES_H
#define LIB_ACPI_TABLES_H

#include <lib/acpi.h>

struct acpi_fadt {
	struct acpi_gas pm_timer;
	struct acpi_gas pm1a_control;
	struct acpi_gas pm1b_control;
	struct acpi_gas reset;
	uint64_t dsdt; /* physical; 0: none */
	bool pm_timer_32bit;
	uint8_t reset_value;
	bool has_8042; /* true too where the table is too old to say */
	bool no_vga;
};

struct acpi_hpet {
	uint64_t address;  /* physical, of the register block */
	uint16_t min_tick; /* shortest period in periodic mode, in HPET ticks */
};

/*
 * What a FADT of any age says; a field it is too short for, or whose register the machine does not
 * have, is 0. A bad checksum is reported. -EINVAL: not a FADT, or below 1.0's 116 bytes.
 */
int acpi_fadt_parse(const void *table, size_t avail, struct acpi_fadt *out,
		    const struct acpi_env *env);

/* -EINVAL: no HPET table, or too short. -ENXIO: no usable address in it. */
int acpi_hpet_parse(const void *table, size_t avail, struct acpi_hpet *out,
		    const struct acpi_env *env);

/*
 * Whether the firmware asks for the local APICs to be left in xAPIC mode (its own code may know no
 * other): the flag of the DMAR table. False if it is no such table, or too short.
 */
bool acpi_x2apic_opt_out(const void *table, size_t avail, const struct acpi_env *env);

/*
 * The SLP_TYP values of soft-off for PM1a and PM1b, found without an AML interpreter: a byte scan
 * for Name(_S5_, Package(){...}). -ENOENT: no such name. -EPROTO: only ones that cannot be read.
 */
int acpi_find_s5(const void *dsdt, size_t len, uint8_t *slp_typa, uint8_t *slp_typb);

#endif

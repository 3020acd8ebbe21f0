/*
 * What the firmware's tables say about this machine. Boot CPU; the tables are read
 * once, in acpi_init, and kept.
 */
#ifndef X86_ACPI_H
#define X86_ACPI_H

#include <lib/acpi_tables.h>
#include <lib/madt.h>

#define EBDA_SEGMENT 0x40e /* BIOS data area: the segment of the extended one */

/* Finds the tables; whatever is missing or damaged is reported and left out. */
void acpi_init(void);

/* All zero where the machine has none. */
extern struct acpi_fadt acpi_fadt;
extern struct acpi_hpet acpi_hpet;

/* The firmware asks for xAPIC mode. */
extern bool acpi_no_x2apic;

/* Reads the MADT, or what replaces it, into *madt. 0, or -ENODEV when there is none. */
int acpi_read_madt(struct madt *madt);

/* SLP_TYP for soft-off. 0, or -ENODEV where it cannot be known. Any context after acpi_init. */
int acpi_soft_off_types(uint8_t *a, uint8_t *b);

#endif

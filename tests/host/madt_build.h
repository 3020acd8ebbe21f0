/*
 * Builds a MADT entry by entry, right in every byte; the tests then damage it. For host programs of
 * one translation unit.
 */
#ifndef TESTS_HOST_MADT_BUILD_H
#define TESTS_HOST_MADT_BUILD_H

#include <string.h>

#include <lib/madt_format.h>

/* The table under construction. */
static uint8_t table[8192];
static size_t size;

__attribute__((unused)) static void begin(uint8_t revision)
{
	struct madt_table head = {
		.header = { .signature = "APIC", .revision = revision },
		.lapic_phys = 0xfee00000,
		.flags = MADT_PCAT_COMPAT,
	};

	memcpy(table, &head, sizeof(head));
	size = sizeof(head);
}

__attribute__((unused)) static void add(const void *entry, size_t len)
{
	memcpy(table + size, entry, len);
	size += len;
}

__attribute__((unused)) static void add_lapic(uint8_t uid, uint8_t apic_id, uint32_t flags)
{
	struct madt_lapic_entry e = { { MADT_LAPIC, sizeof(e) }, uid, apic_id, flags };

	add(&e, sizeof(e));
}

__attribute__((unused)) static void add_x2apic(uint32_t uid, uint32_t apic_id, uint32_t flags)
{
	struct madt_x2apic_entry e = { { MADT_X2APIC, sizeof(e) }, 0, apic_id, flags, uid };

	add(&e, sizeof(e));
}

__attribute__((unused)) static void add_ioapic(uint8_t id, uint32_t address, uint32_t gsi_base)
{
	struct madt_ioapic_entry e = { { MADT_IOAPIC, sizeof(e) }, id, 0, address, gsi_base };

	add(&e, sizeof(e));
}

__attribute__((unused)) static void add_override(uint8_t bus, uint8_t source, uint32_t gsi,
						 uint16_t flags)
{
	struct madt_override_entry e = { { MADT_OVERRIDE, sizeof(e) }, bus, source, gsi, flags };

	add(&e, sizeof(e));
}

__attribute__((unused)) static void add_lapic_nmi(uint8_t uid, uint16_t flags, uint8_t lint)
{
	struct madt_lapic_nmi_entry e = { { MADT_LAPIC_NMI, sizeof(e) }, uid, flags, lint };

	add(&e, sizeof(e));
}

__attribute__((unused)) static void add_x2apic_nmi(uint32_t uid, uint16_t flags, uint8_t lint)
{
	struct madt_x2apic_nmi_entry e = { { MADT_X2APIC_NMI, sizeof(e) }, flags, uid, lint, { 0 } };

	add(&e, sizeof(e));
}

__attribute__((unused)) static void add_address(uint64_t address)
{
	struct madt_address_entry e = { { MADT_LAPIC_ADDRESS, sizeof(e) }, 0, address };

	add(&e, sizeof(e));
}

/* Makes the header right for what has been added. */
__attribute__((unused)) static void seal(void)
{
	struct acpi_header *header = (struct acpi_header *)table;
	uint8_t sum = 0;

	header->length = size;
	header->checksum = 0;
	for (size_t i = 0; i < size; i++)
		sum += table[i];
	header->checksum = -sum;
}

#endif

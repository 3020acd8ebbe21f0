/*
 * The MADT as it lies in memory: what the parser reads, and what tests build and damage.
 * All sections are of ACPI 6.5. Fields are little-endian and not aligned.
 */
#ifndef LIB_MADT_FORMAT_H
#define LIB_MADT_FORMAT_H

#include <lib/acpi.h>

/*
 * The table. §5.2.12
 *
 *  0               36            40       44
 * +---------------+-------------+--------+-----------------
 * | common header | APIC address| flags  | entries ...
 * +---------------+-------------+--------+-----------------
 */
struct madt_table {
	struct acpi_header header;
	uint32_t lapic_phys;
	uint32_t flags;
} __attribute__((packed));
_Static_assert(sizeof(struct madt_table) == 44, "ACPI 6.5 5.2.12");

#define MADT_PCAT_COMPAT (1u << 0)

enum madt_type {
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_LAPIC_NMI = 4,
	MADT_LAPIC_ADDRESS = 5,
	MADT_X2APIC = 9,
	MADT_X2APIC_NMI = 10,
};

/* Every entry starts with its type and its length, these two bytes included. */
struct madt_entry {
	uint8_t type;
	uint8_t length;
} __attribute__((packed));

/*
 * Processor local APIC. §5.2.12.2
 *  0   1   2     3         4
 * +---+---+-----+---------+-----------+
 * | 0 | 8 | UID | APIC id | flags     |
 * +---+---+-----+---------+-----------+
 */
struct madt_lapic_entry {
	struct madt_entry head;
	uint8_t uid;
	uint8_t apic_id;
	uint32_t flags;
} __attribute__((packed));
_Static_assert(sizeof(struct madt_lapic_entry) == 8, "ACPI 6.5 5.2.12.2");

/*
 * Processor local x2APIC. §5.2.12.12
 *  0   1    2          4         8       12
 * +---+----+----------+---------+-------+-----+
 * | 9 | 16 | reserved | APIC id | flags | UID |
 * +---+----+----------+---------+-------+-----+
 */
struct madt_x2apic_entry {
	struct madt_entry head;
	uint16_t reserved;
	uint32_t apic_id;
	uint32_t flags;
	uint32_t uid;
} __attribute__((packed));
_Static_assert(sizeof(struct madt_x2apic_entry) == 16, "ACPI 6.5 5.2.12.12");

/*
 * I/O APIC. §5.2.12.3
 *  0   1    2    3          4         8
 * +---+----+----+----------+---------+-----------+
 * | 1 | 12 | id | reserved | address | first GSI |
 * +---+----+----+----------+---------+-----------+
 */
struct madt_ioapic_entry {
	struct madt_entry head;
	uint8_t id;
	uint8_t reserved;
	uint32_t address;
	uint32_t gsi_base;
} __attribute__((packed));
_Static_assert(sizeof(struct madt_ioapic_entry) == 12, "ACPI 6.5 5.2.12.3");

/*
 * Interrupt source override. §5.2.12.5
 *  0   1    2     3        4     8
 * +---+----+-----+--------+-----+-------+
 * | 2 | 10 | bus | source | GSI | flags |
 * +---+----+-----+--------+-----+-------+
 */
struct madt_override_entry {
	struct madt_entry head;
	uint8_t bus; /* 0: ISA, and nothing else */
	uint8_t source;
	uint32_t gsi;
	uint16_t flags;
} __attribute__((packed));
_Static_assert(sizeof(struct madt_override_entry) == 10, "ACPI 6.5 5.2.12.5");

/*
 * Local APIC NMI and local x2APIC NMI. §5.2.12.7, §5.2.12.13
 *  0   1   2     3       5
 * +---+---+-----+-------+------+
 * | 4 | 6 | UID | flags | LINT |
 * +---+---+-----+-------+------+
 *  0    1    2       4          8      9
 * +----+----+-------+----------+------+----------+
 * | 10 | 12 | flags | UID      | LINT | reserved |
 * +----+----+-------+----------+------+----------+
 */
struct madt_lapic_nmi_entry {
	struct madt_entry head;
	uint8_t uid;
	uint16_t flags;
	uint8_t lint;
} __attribute__((packed));
_Static_assert(sizeof(struct madt_lapic_nmi_entry) == 6, "ACPI 6.5 5.2.12.7");

struct madt_x2apic_nmi_entry {
	struct madt_entry head;
	uint16_t flags;
	uint32_t uid;
	uint8_t lint;
	uint8_t reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct madt_x2apic_nmi_entry) == 12, "ACPI 6.5 5.2.12.13");

/*
 * Local APIC address override. §5.2.12.8
 *  0   1    2          4
 * +---+----+----------+----------+
 * | 5 | 12 | reserved | address  |
 * +---+----+----------+----------+
 */
struct madt_address_entry {
	struct madt_entry head;
	uint16_t reserved;
	uint64_t address;
} __attribute__((packed));
_Static_assert(sizeof(struct madt_address_entry) == 12, "ACPI 6.5 5.2.12.8");

/* Local APIC flags, of both processor entries. §5.2.12.2 */
#define MADT_CPU_ENABLED        (1u << 0)
#define MADT_CPU_ONLINE_CAPABLE (1u << 1)

/* Ids and UIDs that mean every CPU. */
#define MADT_XAPIC_BROADCAST  0xffu
#define MADT_X2APIC_BROADCAST 0xffffffffu
#define MADT_EVERY_UID_8      0xffu
#define MADT_EVERY_UID        0xffffffffu

/* MPS INTI flags: polarity and trigger, two bits each; a value of 2 has no meaning. §5.2.12.5 */
#define MADT_POLARITY          (3u << 0)
#define MADT_POLARITY_LOW      (3u << 0)
#define MADT_POLARITY_RESERVED (2u << 0)
#define MADT_TRIGGER           (3u << 2)
#define MADT_TRIGGER_LEVEL     (3u << 2)
#define MADT_TRIGGER_RESERVED  (2u << 2)

#endif

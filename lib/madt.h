/*
 * The MADT ("APIC" table): which CPUs and I/O APICs the firmware says there are. The parser
 * believes nothing: every entry is checked by itself, and what is wrong is said in one line and
 * left out.
 */
#ifndef LIB_MADT_H
#define LIB_MADT_H

#include <lib/acpi.h>

#define MADT_MAX_IOAPICS 64
#define MADT_ISA_IRQS    16
#define MADT_MAX_LINES   100 /* findings told one by one; more are only counted */

/* A CPU that is enabled, or that may be later (online_capable). Others are only counted. */
struct madt_cpu {
	uint32_t apic_id;
	uint32_t uid; /* ACPI processor UID */
	bool enabled;
	bool online_capable;
	bool x2;               /* from an x2APIC entry */
	uint8_t nmi_lints;     /* bit n: LINTn carries NMIs, with nmi_flags[n] */
	uint16_t nmi_flags[2]; /* MADT_POLARITY, MADT_TRIGGER */
};

struct madt_ioapic {
	uint32_t address; /* physical */
	uint32_t gsi_base;
	uint8_t id;
};

/* Where an ISA interrupt arrives; as its own number, edge and active high, if not overridden. */
struct madt_isa_irq {
	uint32_t gsi;
	uint16_t flags; /* MADT_POLARITY, MADT_TRIGGER; 0: edge, active high */
	bool overridden;
};

struct madt {
	/* Set by the caller: room for CPUs. */
	struct madt_cpu *cpus;
	unsigned int cpu_capacity;

	/* Filled in. */
	unsigned int nr_cpus;     /* used in cpus[], in the table's order, APIC ids unique */
	unsigned int nr_enabled;  /* of these */
	unsigned int nr_disabled; /* entries neither enabled nor online capable, left out */
	unsigned int nr_no_room;  /* CPUs left out because cpus[] was full */
	unsigned int nr_other;    /* entries of types that are not read here */
	unsigned int nr_findings; /* things found wrong, told or not */
	uint8_t revision;
	bool pcat_compat;    /* there are 8259s, to be masked */
	uint64_t lapic_phys; /* local APIC registers; 0: no usable address */
	unsigned int nr_ioapics;
	struct madt_ioapic ioapics[MADT_MAX_IOAPICS];
	struct madt_isa_irq isa[MADT_ISA_IRQS];
};

/*
 * Reads the table of at most @avail bytes; env->map is not used. A wrong checksum is reported and
 * the table is used all the same: it is common, and entries are checked one by one. An entry whose
 * length cannot be right ends the reading; what came before it stays.
 * -EINVAL: no MADT header. Finding no CPU is no error here. Any context.
 */
int madt_parse(const void *table, size_t avail, struct madt *out, const struct acpi_env *env);

#endif

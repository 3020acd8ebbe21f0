/*
 * Reads the MADT. Every machine has one, no two agree on how to get it wrong, and all that the
 * kernel knows about its CPUs before they answer comes from here. So each entry is judged alone: a
 * bad one costs one line of report and nothing else, unless its length leaves no way to find the
 * next.
 */
#include <lib/errno.h>
#include <lib/madt.h>
#include <lib/madt_format.h>

/* Table revision since which MADT_CPU_ONLINE_CAPABLE has a meaning, and the one of ACPI 6.2b. */
#define REVISION_ACPI_6_3  5
#define REVISION_ACPI_6_2B 45

#define LAPIC_ALIGN 4096
#define PHYS_LIMIT  (1ull << 52)
#define MAX_LINT    1
#define MAX_SIZE    (256u << 10) /* bounds the time of a bad length; 1,024 CPUs need 28 KB */

struct parse {
	const uint8_t *table;
	size_t end; /* entries from here on are not read */
	struct madt *out;
	const struct acpi_env *env;
	bool address_overridden;
};

static void finding(struct parse *p, const void *entry, const char *what, uint64_t value)
{
	size_t offset = (const uint8_t *)entry - p->table;

	if (p->out->nr_findings++ < MADT_MAX_LINES)
		p->env->report(p->env->ctx, "MADT+0x%zx: %s (0x%lx)", offset, what, value);
}

static bool is_online_capable(const struct madt *madt, uint32_t flags)
{
	if (madt->revision < REVISION_ACPI_6_3 || madt->revision == REVISION_ACPI_6_2B)
		return false;
	return flags & MADT_CPU_ONLINE_CAPABLE;
}

static bool apic_id_known(const struct madt *madt, uint32_t apic_id)
{
	for (unsigned int i = 0; i < madt->nr_cpus; i++) {
		if (madt->cpus[i].apic_id == apic_id)
			return true;
	}
	return false;
}

static void take_cpu(struct parse *p, const void *entry, struct madt_cpu cpu, uint32_t flags)
{
	struct madt *madt = p->out;

	cpu.enabled = flags & MADT_CPU_ENABLED;
	cpu.online_capable = !cpu.enabled && is_online_capable(madt, flags);
	/* First of all: firmware leaves any id in entries that it does not use. */
	if (!cpu.enabled && !cpu.online_capable) {
		madt->nr_disabled++;
	} else if (cpu.apic_id == (cpu.x2 ? MADT_X2APIC_BROADCAST : MADT_XAPIC_BROADCAST)) {
		finding(p, entry, "CPU with the broadcast APIC id, ignored", cpu.apic_id);
	} else if (apic_id_known(madt, cpu.apic_id)) {
		finding(p, entry, "CPU with the APIC id of an earlier one, ignored", cpu.apic_id);
	} else if (madt->nr_cpus == madt->cpu_capacity) {
		madt->nr_no_room++;
	} else {
		madt->cpus[madt->nr_cpus++] = cpu;
		madt->nr_enabled += cpu.enabled;
	}
}

static void take_lapic(struct parse *p, const void *entry)
{
	const struct madt_lapic_entry *e = entry;
	struct madt_cpu cpu = { .apic_id = e->apic_id, .uid = e->uid };

	take_cpu(p, e, cpu, e->flags);
}

/* The specification wants ids below 255 in the older entry, but tables with none of it exist. */
static void take_x2apic(struct parse *p, const void *entry)
{
	const struct madt_x2apic_entry *e = entry;
	struct madt_cpu cpu = { .apic_id = e->apic_id, .uid = e->uid, .x2 = true };

	take_cpu(p, e, cpu, e->flags);
}

static bool ioapic_clashes(const struct madt *madt, const struct madt_ioapic_entry *e)
{
	for (unsigned int i = 0; i < madt->nr_ioapics; i++) {
		const struct madt_ioapic *old = &madt->ioapics[i];

		if (old->id == e->id || old->address == e->address || old->gsi_base == e->gsi_base)
			return true;
	}
	return false;
}

static void take_ioapic(struct parse *p, const void *entry)
{
	const struct madt_ioapic_entry *e = entry;
	struct madt *madt = p->out;

	if (!e->address) {
		finding(p, e, "I/O APIC at address 0, ignored; id", e->id);
		return;
	}
	if (ioapic_clashes(madt, e)) {
		finding(p, e, "I/O APIC with an earlier one's id, address or GSIs, ignored; id",
			e->id);
		return;
	}
	if (madt->nr_ioapics == MADT_MAX_IOAPICS) {
		finding(p, e, "no room for one more I/O APIC, ignored; id", e->id);
		return;
	}
	madt->ioapics[madt->nr_ioapics++] = (struct madt_ioapic){
		.address = e->address,
		.gsi_base = e->gsi_base,
		.id = e->id,
	};
}

/* The flags that have a meaning; a reserved value becomes 0, "as the bus has it". */
static uint16_t take_flags(struct parse *p, const void *entry, uint16_t flags)
{
	uint16_t polarity = flags & MADT_POLARITY;
	uint16_t trigger = flags & MADT_TRIGGER;

	if (polarity == MADT_POLARITY_RESERVED || trigger == MADT_TRIGGER_RESERVED) {
		finding(p, entry, "interrupt flags with a reserved value, taken as 0", flags);
		return 0;
	}
	return polarity | trigger;
}

static void take_override(struct parse *p, const void *entry)
{
	const struct madt_override_entry *e = entry;
	struct madt_isa_irq *irq;

	if (e->bus) {
		finding(p, e, "override for a bus other than ISA, ignored", e->bus);
		return;
	}
	if (e->source >= MADT_ISA_IRQS) {
		finding(p, e, "override for an interrupt that ISA has not got, ignored", e->source);
		return;
	}
	irq = &p->out->isa[e->source];
	if (irq->overridden) {
		finding(p, e, "second override for one interrupt, ignored", e->source);
		return;
	}
	irq->overridden = true;
	irq->gsi = e->gsi;
	irq->flags = take_flags(p, e, e->flags);
}

static void take_address(struct parse *p, const void *entry)
{
	const struct madt_address_entry *e = entry;

	if (p->address_overridden) {
		finding(p, e, "second local APIC address, ignored", e->address);
		return;
	}
	if (!e->address || e->address % LAPIC_ALIGN || e->address >= PHYS_LIMIT) {
		finding(p, e, "local APIC address that cannot be, ignored", e->address);
		return;
	}
	p->address_overridden = true;
	p->out->lapic_phys = e->address;
}

/* CPUs that were left out have NMI entries too, so a UID that no CPU has is no finding. */
static void take_nmi(struct parse *p, const void *entry, uint32_t uid, uint8_t lint, uint16_t flags)
{
	if (lint > MAX_LINT) {
		finding(p, entry, "NMI on a pin that no CPU has, ignored; LINT", lint);
		return;
	}
	flags = take_flags(p, entry, flags);
	for (unsigned int i = 0; i < p->out->nr_cpus; i++) {
		struct madt_cpu *cpu = &p->out->cpus[i];

		if (uid != MADT_EVERY_UID && uid != cpu->uid)
			continue;
		cpu->nmi_lints |= 1u << lint;
		cpu->nmi_flags[lint] = flags;
	}
}

static void take_lapic_nmi(struct parse *p, const void *entry)
{
	const struct madt_lapic_nmi_entry *e = entry;

	take_nmi(p, e, e->uid == MADT_EVERY_UID_8 ? MADT_EVERY_UID : e->uid, e->lint, e->flags);
}

static void take_x2apic_nmi(struct parse *p, const void *entry)
{
	const struct madt_x2apic_nmi_entry *e = entry;

	take_nmi(p, e, e->uid, e->lint, e->flags);
}

/* The entries that are read, by type. NMIs name CPUs and so have to wait until all are known. */
static const struct kind {
	void (*take)(struct parse *p, const void *entry);
	uint8_t length;
	bool needs_cpus;
} kinds[] = {
	[MADT_LAPIC] = { take_lapic, sizeof(struct madt_lapic_entry), false },
	[MADT_IOAPIC] = { take_ioapic, sizeof(struct madt_ioapic_entry), false },
	[MADT_OVERRIDE] = { take_override, sizeof(struct madt_override_entry), false },
	[MADT_LAPIC_NMI] = { take_lapic_nmi, sizeof(struct madt_lapic_nmi_entry), true },
	[MADT_LAPIC_ADDRESS] = { take_address, sizeof(struct madt_address_entry), false },
	[MADT_X2APIC] = { take_x2apic, sizeof(struct madt_x2apic_entry), false },
	[MADT_X2APIC_NMI] = { take_x2apic_nmi, sizeof(struct madt_x2apic_nmi_entry), true },
};

/* NULL: a type that is not read. */
static const struct kind *kind_of(const struct madt_entry *e)
{
	if (e->type >= sizeof(kinds) / sizeof(kinds[0]) || !kinds[e->type].take)
		return NULL;
	return &kinds[e->type];
}

/* Can the entry after this one be found, and the whole of this one be read? */
static bool length_possible(struct parse *p, const struct madt_entry *e, size_t left)
{
	if (left < sizeof(*e)) {
		finding(p, e, "too few bytes for an entry, ignored", left);
		return false;
	}
	if (e->length < sizeof(*e)) {
		finding(p, e, "entry length that cannot be, the rest is not read", e->length);
		return false;
	}
	if (e->length > left) {
		finding(p, e, "entry past the table's end, not read; length", e->length);
		return false;
	}
	return true;
}

/* Follows the chain of lengths once, so that the passes after it may trust every one of them. */
static void check_lengths(struct parse *p)
{
	for (size_t at = sizeof(struct madt_table); at < p->end;) {
		const struct madt_entry *e = (const struct madt_entry *)(p->table + at);
		const struct kind *kind;

		if (!length_possible(p, e, p->end - at)) {
			p->end = at;
			return;
		}
		kind = kind_of(e);
		if (!kind)
			p->out->nr_other++;
		else if (e->length < kind->length)
			finding(p, e, "entry too short for its type, ignored; length", e->length);
		at += e->length;
	}
}

static void take_entries(struct parse *p, bool needs_cpus)
{
	const struct madt_entry *e;

	for (size_t at = sizeof(struct madt_table); at < p->end; at += e->length) {
		const struct kind *kind;

		e = (const struct madt_entry *)(p->table + at);
		kind = kind_of(e);
		if (kind && kind->needs_cpus == needs_cpus && e->length >= kind->length)
			kind->take(p, e);
	}
}

static void read_header(struct madt *madt, const struct madt_table *table)
{
	struct madt_cpu *cpus = madt->cpus;
	unsigned int capacity = madt->cpu_capacity;

	*madt = (struct madt){ .cpus = cpus, .cpu_capacity = capacity };
	for (unsigned int i = 0; i < MADT_ISA_IRQS; i++)
		madt->isa[i].gsi = i;
	if (!table)
		return;
	madt->revision = table->header.revision;
	madt->pcat_compat = table->flags & MADT_PCAT_COMPAT;
	madt->lapic_phys = table->lapic_phys;
}

static void report_left_out(const struct madt *madt, const struct acpi_env *env)
{
	unsigned int online_capable = madt->nr_cpus - madt->nr_enabled;

	if (madt->nr_disabled || online_capable)
		env->report(env->ctx,
			    "MADT: not to be started: %u CPUs disabled, %u online capable",
			    madt->nr_disabled, online_capable);
	if (madt->nr_no_room)
		env->report(env->ctx,
			    "MADT: %u CPUs more than the %u that there is room for, ignored",
			    madt->nr_no_room, madt->cpu_capacity);
	if (madt->nr_findings > MADT_MAX_LINES)
		env->report(env->ctx, "MADT: and %u more findings like these",
			    madt->nr_findings - MADT_MAX_LINES);
}

int madt_parse(const void *table, size_t avail, struct madt *out, const struct acpi_env *env)
{
	size_t end = acpi_usable_length(table, avail, "APIC", env);
	struct parse p = { .table = table, .end = end, .out = out, .env = env };

	read_header(out, end < sizeof(struct madt_table) ? NULL : table);
	if (end < sizeof(struct madt_table))
		return -EINVAL;
	if (end > MAX_SIZE) {
		finding(&p, table, "longer than any MADT, the end is not read; length", end);
		p.end = MAX_SIZE;
	}
	check_lengths(&p);
	take_entries(&p, false);
	take_entries(&p, true);
	if (!out->lapic_phys || out->lapic_phys % LAPIC_ALIGN) {
		finding(&p, table, "no usable local APIC address", out->lapic_phys);
		out->lapic_phys = 0;
	}
	report_left_out(out, env);
	return 0;
}

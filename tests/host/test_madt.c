/*
 * The MADT parser against every kind of damage that it claims to survive: the table as a whole, and
 * the entries for CPUs.
 */
#include "madt_case.h"

static void good_tables(void)
{
	begin(3);
	tap_ok(!parse() && !madt.nr_cpus && silent(),
	       "a table without entries is none of our business");
	tap_ok(madt.lapic_phys == 0xfee00000 && madt.pcat_compat && madt.revision == 3,
	       "address, flags and revision come from the header");

	add_lapic(0, 0, MADT_CPU_ENABLED);
	add_lapic(1, 6, MADT_CPU_ENABLED);
	add_lapic(2, 254, MADT_CPU_ENABLED);
	tap_ok(!parse() && madt.nr_cpus == 3 && madt.nr_enabled == 3 && silent(),
	       "three CPUs with sparse ids");
	tap_ok(cpus[1].apic_id == 6 && cpus[1].uid == 1 && cpus[1].enabled && !cpus[1].x2 &&
		       !cpus[1].online_capable && !cpus[1].nmi_lints && cpus[2].apic_id == 254,
	       "each with its id and UID");

	begin(4);
	add_x2apic(7, 3, MADT_CPU_ENABLED);
	add_x2apic(0x10000, 255, MADT_CPU_ENABLED);
	add_x2apic(9, 0xfffffffe, MADT_CPU_ENABLED);
	tap_ok(!parse() && madt.nr_cpus == 3 && silent(),
	       "an x2APIC-only table, ids below 255 too");
	tap_ok(cpus[0].apic_id == 3 && cpus[0].uid == 7 && cpus[1].apic_id == 255 &&
		       cpus[1].uid == 0x10000 && cpus[2].apic_id == 0xfffffffe && cpus[2].x2,
	       "ids and UIDs of 32 bits");
}

static void disabled_cpus(void)
{
	begin(4);
	add_lapic(0, 0, MADT_CPU_ENABLED);
	add_lapic(1, 0xff, 0);
	add_lapic(2, 0, 0);
	add_x2apic(3, 3, MADT_CPU_ONLINE_CAPABLE);
	tap_ok(!parse() && madt.nr_cpus == 1 && madt.nr_disabled == 3 && !madt.nr_findings &&
		       only("3 CPUs disabled, 0 online capable"),
	       "disabled entries are counted, whatever their ids, and make one line");

	((struct acpi_header *)table)->revision = 5;
	tap_ok(!parse() && madt.nr_cpus == 2 && madt.nr_enabled == 1 && madt.nr_disabled == 2 &&
		       cpus[1].online_capable && !cpus[1].enabled &&
		       only("2 CPUs disabled, 1 online capable"),
	       "the online-capable bit counts from revision 5 on");

	((struct acpi_header *)table)->revision = 45;
	tap_ok(!parse() && madt.nr_cpus == 1 && madt.nr_disabled == 3,
	       "revision 45 is older than 5: online capable means nothing");

	begin(5);
	add_lapic(0, 0, MADT_CPU_ENABLED | MADT_CPU_ONLINE_CAPABLE);
	tap_ok(!parse() && madt.nr_enabled == 1 && !cpus[0].online_capable && silent(),
	       "enabled wins over online capable");
}

static void bad_cpus(void)
{
	begin(5);
	add_lapic(0, 4, MADT_CPU_ENABLED);
	add_lapic(1, 4, MADT_CPU_ENABLED);
	tap_ok(!parse() && madt.nr_cpus == 1 && cpus[0].uid == 0 &&
		       only("MADT+0x34: CPU with the APIC id of an earlier one, ignored (0x4)"),
	       "of two CPUs with one id the first is kept");

	begin(5);
	add_lapic(0, 4, MADT_CPU_ENABLED);
	add_x2apic(1, 4, MADT_CPU_ENABLED);
	add_x2apic(2, 5, MADT_CPU_ENABLED);
	tap_ok(!parse() && madt.nr_cpus == 2 && !cpus[0].x2 && cpus[1].apic_id == 5 &&
		       only("MADT+0x34: CPU with the APIC id of an earlier one"),
	       "one id as local APIC and as x2APIC");

	begin(5);
	add_lapic(0, 0xff, MADT_CPU_ENABLED);
	tap_ok(!parse() && !madt.nr_cpus && only("MADT+0x2c: CPU with the broadcast APIC id"),
	       "the xAPIC broadcast id is no CPU");

	begin(5);
	add_x2apic(0, 0xffffffff, MADT_CPU_ENABLED);
	tap_ok(!parse() && !madt.nr_cpus && only("MADT+0x2c: CPU with the broadcast APIC id"),
	       "the x2APIC broadcast id is no CPU");

	begin(5);
	for (unsigned int i = 0; i < CPUS; i++)
		add_x2apic(i, i, MADT_CPU_ENABLED);
	tap_ok(!parse() && madt.nr_cpus == CPUS && silent(), "as many CPUs as there is room for");
	add_lapic(100, 100, MADT_CPU_ENABLED);
	add_lapic(101, 101, MADT_CPU_ENABLED);
	tap_ok(!parse() && madt.nr_cpus == CPUS && madt.nr_no_room == 2 &&
		       only("2 CPUs more than the 8"),
	       "more CPUs than there is room for are counted in one line");
}

static void lengths(void)
{
	static const uint8_t zero[] = { MADT_LAPIC, 0 };
	static const uint8_t one[] = { MADT_LAPIC, 1 };
	static const uint8_t lone[] = { MADT_LAPIC };
	static const struct {
		const uint8_t *bytes;
		size_t len;
		const char *text;
		const char *name;
	} ends[] = {
		{ zero, 2, "MADT+0x34: entry length that cannot be",
		  "a length of 0 ends the table" },
		{ one, 2, "MADT+0x34: entry length that cannot be",
		  "a length of 1 ends the table" },
		{ lone, 1, "MADT+0x34: too few bytes for an entry", "a single last byte" },
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		begin(5);
		add_lapic(0, 1, MADT_CPU_ENABLED);
		add(ends[i].bytes, ends[i].len);
		if (ends[i].len > 1)
			add_lapic(0, 2, MADT_CPU_ENABLED);
		tap_ok(!parse() && madt.nr_cpus == 1 && cpus[0].apic_id == 1 && only(ends[i].text),
		       "%s", ends[i].name);
	}

	begin(5);
	add_lapic(0, 1, MADT_CPU_ENABLED);
	add_lapic(0, 2, MADT_CPU_ENABLED);
	size--;
	tap_ok(!parse() && madt.nr_cpus == 1 && only("MADT+0x34: entry past the table's end"),
	       "an entry that is a byte longer than the table");
}

/* Every type that is read, one byte too short for it, between two good entries. */
static void short_entries(void)
{
	for (unsigned int type = 0; type < sizeof(kinds) / sizeof(kinds[0]); type++) {
		uint8_t entry[16] = { type, kinds[type].length - 1 };

		if (!kinds[type].take)
			continue;
		begin(5);
		add_lapic(0, 1, MADT_CPU_ENABLED);
		add(entry, entry[1]);
		add_lapic(0, 2, MADT_CPU_ENABLED);
		tap_ok(!parse() && madt.nr_cpus == 2 && cpus[1].apic_id == 2 && !madt.nr_ioapics &&
			       madt.lapic_phys == 0xfee00000 && !cpus[0].nmi_lints &&
			       !madt.isa[0].overridden && !madt.nr_disabled &&
			       only("MADT+0x34: entry too short for its type"),
		       "type %u one byte too short is skipped", type);

		entry[1] = sizeof(struct madt_entry);
		begin(5);
		add(entry, entry[1]);
		tap_ok(!parse() && only("MADT+0x2c: entry too short for its type"),
		       "type %u of two bytes at the very end", type);
	}
}

static void other_types(void)
{
	uint8_t entry[255] = { 0 };

	begin(5);
	for (unsigned int type = 0x0b; type <= 0x18; type++) {
		entry[0] = type;
		entry[1] = 20;
		add(entry, entry[1]);
	}
	entry[0] = 0x80;
	entry[1] = 255;
	add(entry, entry[1]);
	entry[0] = 3;
	entry[1] = 2;
	add(entry, entry[1]);
	add_lapic(0, 1, MADT_CPU_ENABLED);
	tap_ok(!parse() && madt.nr_other == 16 && madt.nr_cpus == 1 && silent(),
	       "entries of other types and of vendors are counted and skipped in silence");

	begin(5);
	add_lapic(0, 1, MADT_CPU_ENABLED);
	table[size - sizeof(struct madt_lapic_entry) + 1] += 4;
	size += 4;
	add_lapic(0, 2, MADT_CPU_ENABLED);
	tap_ok(!parse() && madt.nr_cpus == 2 && cpus[1].apic_id == 2 && silent(),
	       "an entry longer than its type needs is taken");
}

static void headers(void)
{
	struct acpi_header *header = (struct acpi_header *)table;
	uint8_t sum;

	begin(5);
	add_lapic(0, 1, MADT_CPU_ENABLED);
	add_lapic(0, 2, MADT_CPU_ENABLED);
	seal();
	header->checksum++;
	tap_ok(!parse_some(size) && madt.nr_cpus == 2 && only("APIC: bad checksum"),
	       "a bad checksum is reported and the table used");
	seal();
	tap_ok(!parse_some(size - 8) && madt.nr_cpus == 1 &&
		       only("APIC: length 0x3c, but only 0x34 bytes are there"),
	       "a table longer than the memory is read as far as that goes");
	tap_ok(!parse_some(size + 100) && madt.nr_cpus == 2 && silent(),
	       "bytes behind the table's length are not looked at");

	sum = header->checksum;
	for (uint32_t length = 0; length < sizeof(struct madt_table); length += 43) {
		header->length = length;
		tap_ok(parse_some(size) == -EINVAL && !madt.nr_cpus && madt.isa[15].gsi == 15,
		       "a table that says it has %u bytes is refused", length);
	}
	header->length = 0xffffffff;
	tap_ok(!parse_some(size) && madt.nr_cpus == 2 && only("length 0xffffffff, but only 0x3c"),
	       "a length of 4 GB is not believed");
	seal();
	tap_ok(header->checksum == sum && parse_some(43) == -EINVAL, "43 bytes are no MADT");
	tap_ok(parse_some(0) == -EINVAL && parse_some(35) == -EINVAL, "nor are 0 or 35");
	table[0] = 'F';
	tap_ok(parse() == -EINVAL && !madt.nr_cpus, "another signature is refused");
}

static void floods(void)
{
	unsigned int n = 3 * MADT_MAX_LINES;

	begin(5);
	for (unsigned int i = 0; i < n; i++)
		add_lapic(0, 1, MADT_CPU_ENABLED);
	tap_ok(!parse() && madt.nr_cpus == 1 && madt.nr_findings == n - 1 &&
		       nr_lines == MADT_MAX_LINES + 1 && said("and 199 more findings") == 1,
	       "%u findings make %u lines and one that counts the rest", n - 1, MADT_MAX_LINES);
}

/* More than any firmware has: the end of what is read is a limit of time, not of memory. */
static void giant(void)
{
	size_t len = MAX_SIZE + 64;
	struct madt_table *big = calloc(1, len);
	uint8_t *entries = (uint8_t *)(big + 1);

	begin(5);
	memcpy(big, table, sizeof(*big));
	big->header.length = len;
	for (size_t i = 0; i + sizeof(*big) < len; i += 4) {
		entries[i] = 0x80;
		entries[i + 1] = 4;
	}
	nr_lines = 0;
	madt = (struct madt){ .cpus = cpus, .cpu_capacity = CPUS };
	tap_ok(!madt_parse(big, len, &madt, &env) && said("longer than any MADT") == 1 &&
		       madt.nr_other == (MAX_SIZE - sizeof(*big)) / 4,
	       "a table beyond all measure is read up to a limit");
	free(big);
}

int main(void)
{
	good_tables();
	disabled_cpus();
	bad_cpus();
	lengths();
	short_entries();
	other_types();
	headers();
	floods();
	giant();
	return tap_done();
}

/*
 * From the RSDP to a table: every way in which firmware, or a loader's copy, may be wrong there.
 */
#include "acpi_case.h"

static void seal_rsdp(struct rsdp *rsdp)
{
	rsdp->checksum = 0;
	rsdp->checksum = -sum_of(rsdp, RSDP_V1_SIZE);
	rsdp->extended_checksum = 0;
	rsdp->extended_checksum = -sum_of(rsdp, sizeof(*rsdp));
}

static struct rsdp good_rsdp(uint8_t revision)
{
	struct rsdp rsdp = {
		.signature = "RSD PTR ",
		.revision = revision,
		.rsdt = 0x1234,
		.length = sizeof(rsdp),
		.xsdt = 0x123456789a,
	};

	seal_rsdp(&rsdp);
	return rsdp;
}

/* Checks an RSDP in a heap block of exactly @avail bytes. */
static int check(struct rsdp rsdp, size_t avail, struct acpi_rsdp_info *info)
{
	uint8_t *copy = malloc(avail + !avail);
	int error;

	memcpy(copy, &rsdp, avail);
	error = acpi_rsdp_check(copy, avail, info);
	free(copy);
	return error;
}

static void rsdp_old(void)
{
	struct rsdp rsdp = good_rsdp(0);
	struct acpi_rsdp_info info;

	tap_ok(!check(rsdp, 20, &info) && info.rsdt == 0x1234 && !info.xsdt && !info.revision,
	       "revision 0 gives the RSDT");
	tap_ok(!check(rsdp, 36, &info) && !info.xsdt, "and no XSDT, whatever follows it");
	tap_ok(check(rsdp, 19, &info) == -EINVAL, "19 bytes are too few");
	tap_ok(check(rsdp, 0, &info) == -EINVAL, "so are none");
	rsdp.oem_id[0]++;
	tap_ok(check(rsdp, 20, &info) == -EPROTO, "its checksum is checked");
	rsdp = good_rsdp(0);
	rsdp.signature[7] = '_';
	tap_ok(check(rsdp, 20, &info) == -ENOENT, "its signature is checked in all 8 bytes");
	rsdp = good_rsdp(0);
	rsdp.rsdt = 0;
	seal_rsdp(&rsdp);
	tap_ok(check(rsdp, 20, &info) == -ENODATA, "one that names no table is of no use");
}

static void rsdp_new(void)
{
	struct rsdp rsdp = good_rsdp(2);
	struct acpi_rsdp_info info;

	tap_ok(!check(rsdp, 36, &info) && info.rsdt == 0x1234 && info.xsdt == 0x123456789a &&
		       info.revision == 2,
	       "revision 2 gives both");
	tap_ok(!check(rsdp, 20, &info) && info.rsdt == 0x1234 && !info.xsdt,
	       "a copy of its first 20 bytes gives the RSDT");
	rsdp.extended_checksum++;
	tap_ok(check(rsdp, 36, &info) == -EPROTO, "the extended checksum is checked");
	rsdp = good_rsdp(2);
	rsdp.checksum++;
	rsdp.extended_checksum--;
	tap_ok(check(rsdp, 36, &info) == -EPROTO, "the first one too, though the other holds");
	rsdp = good_rsdp(2);
	rsdp.length = 35;
	seal_rsdp(&rsdp);
	tap_ok(check(rsdp, 36, &info) == -EPROTO, "a length of 35 is refused");
	rsdp.length = 37;
	seal_rsdp(&rsdp);
	tap_ok(check(rsdp, 36, &info) == -EPROTO, "a length beyond the memory is refused");
	rsdp = good_rsdp(2);
	rsdp.rsdt = 0;
	seal_rsdp(&rsdp);
	tap_ok(!check(rsdp, 36, &info) && !info.rsdt && info.xsdt, "an XSDT alone is enough");
}

/* Searches @len bytes of a heap block with RSDPs placed by the caller. */
static int search(const uint8_t *area, size_t len, struct acpi_rsdp_info *info)
{
	uint8_t *copy = malloc(len + !len);
	int error;

	memcpy(copy, area, len);
	error = acpi_rsdp_search(copy, len, info);
	free(copy);
	return error;
}

static void rsdp_search(void)
{
	uint8_t area[256] = { 0 };
	struct rsdp rsdp = good_rsdp(0);
	struct rsdp broken = rsdp;
	struct acpi_rsdp_info info;

	broken.checksum++;
	tap_ok(search(area, sizeof(area), &info) == -ENOENT, "no RSDP in an empty area");
	tap_ok(search(area, 0, &info) == -ENOENT && search(area, 19, &info) == -ENOENT,
	       "nor in one that is too small");
	memcpy(area + 8, &rsdp, RSDP_V1_SIZE);
	tap_ok(search(area, sizeof(area), &info) == -ENOENT, "not found off a 16-byte boundary");
	memset(area, 0, sizeof(area));
	memcpy(area + 16, &broken, RSDP_V1_SIZE);
	memcpy(area + 224, &rsdp, RSDP_V1_SIZE);
	tap_ok(!search(area, sizeof(area), &info) && info.rsdt == 0x1234,
	       "found behind a broken one");
	tap_ok(!search(area, 244, &info), "found in the very last bytes");
	tap_ok(search(area, 243, &info) == -ENOENT, "not found when cut off");
}

static void table_header(void)
{
	uint8_t table[64] = { 0 };
	struct acpi_header *header = (struct acpi_header *)table;

	seal(table, "TEST", 64);
	tap_ok(!acpi_table_check(table, 64), "a good table");
	tap_ok(acpi_table_check(table, 63) == -EOVERFLOW, "is not good in fewer bytes");
	tap_ok(acpi_table_check(table, 35) == -EINVAL, "and no table in 35");
	table[50]++;
	tap_ok(acpi_table_check(table, 64) == -EPROTO, "its checksum is checked");
	seal(table, "TEST", 64);
	header->length = 35;
	tap_ok(acpi_table_check(table, 64) == -EOVERFLOW, "a length below the header's is refused");
	header->length = ACPI_TABLE_MAX + 1;
	tap_ok(acpi_table_check(table, SIZE_MAX) == -EOVERFLOW, "and one above all measure");
	seal(table, "TES\x7f", 64);
	tap_ok(acpi_table_check(table, 64) == -EINVAL, "a signature is printable");
	seal(table, "T\x1fST", 64);
	tap_ok(acpi_table_check(table, 64) == -EINVAL, "in every byte");
}

/* Where the tables of the cases below lie, and the root tables that name them. */
#define RSDT_AT (MEM_BASE + 0x100)
#define XSDT_AT (MEM_BASE + 0x204) /* entries at +36, so not aligned to 8 bytes */
#define ABCD_AT (MEM_BASE + 0x1000)
#define EFGH_AT (MEM_BASE + 0x1101)

static const struct acpi_rsdp_info both = { .rsdt = RSDT_AT, .xsdt = XSDT_AT };

static void *at(uint32_t phys)
{
	return memory + (phys - MEM_BASE);
}

static void put_xsdt(const uint64_t *entries, size_t n)
{
	memcpy((uint8_t *)at(XSDT_AT) + sizeof(struct acpi_header), entries, n * sizeof(*entries));
	seal(at(XSDT_AT), "XSDT", sizeof(struct acpi_header) + n * sizeof(*entries));
}

static void put_rsdt(const uint32_t *entries, size_t n)
{
	memcpy((uint8_t *)at(RSDT_AT) + sizeof(struct acpi_header), entries, n * sizeof(*entries));
	seal(at(RSDT_AT), "RSDT", sizeof(struct acpi_header) + n * sizeof(*entries));
}

static void put_tables(void)
{
	fresh();
	seal(at(ABCD_AT), "ABCD", 40);
	seal(at(EFGH_AT), "EFGH", 50);
	put_xsdt((const uint64_t[]){ ABCD_AT, 0, EFGH_AT }, 3);
	put_rsdt((const uint32_t[]){ EFGH_AT }, 1);
}

static void roots(void)
{
	struct acpi_root root;

	put_tables();
	tap_ok(!acpi_open_root(&both, &env, &root) && root.count == 3 && root.entry_size == 8 &&
		       !nr_lines,
	       "the XSDT is preferred, and a null entry in it nothing to talk about");

	put_tables();
	memory[XSDT_AT - MEM_BASE + 9]++;
	tap_ok(!acpi_open_root(&both, &env, &root) && root.count == 1 && root.entry_size == 4 &&
		       only("XSDT at 0x100204: bad checksum, not used"),
	       "the RSDT stands in for an XSDT with a bad checksum");
	memory[RSDT_AT - MEM_BASE + 9]++;
	tap_ok(acpi_open_root(&both, &env, &root) == -ENODEV && !root.count && nr_lines == 3,
	       "and when both are bad there is none");

	put_tables();
	tap_ok(!acpi_open_root(&(struct acpi_rsdp_info){ .rsdt = RSDT_AT }, &env, &root) &&
		       root.count == 1 && !nr_lines,
	       "an RSDT alone");
	tap_ok(!acpi_open_root(&(struct acpi_rsdp_info){ .rsdt = RSDT_AT, .xsdt = 16 }, &env,
			       &root) &&
		       root.count == 1 && only("no XSDT at 0x10"),
	       "an XSDT that is not in memory");

	put_tables();
	seal(at(XSDT_AT), "RSDT", 60);
	tap_ok(!acpi_open_root(&both, &env, &root) && root.count == 1 &&
		       only("no XSDT at 0x100204"),
	       "an XSDT that is something else");
}

static void root_lengths(void)
{
	static const struct {
		uint32_t length;
		const char *text;
	} bad[] = {
		{ 35, "length 0x23 out of bounds" },
		{ ACPI_TABLE_MAX + 1, "length 0x400001 out of bounds" },
		{ sizeof(memory), "not all of its 0x10000 bytes are memory" },
	};
	struct acpi_root root;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_tables();
		((struct acpi_header *)at(XSDT_AT))->length = bad[i].length;
		tap_ok(!acpi_open_root(&both, &env, &root) && root.count == 1 && only(bad[i].text),
		       "an XSDT with a length of %u", bad[i].length);
	}

	put_tables();
	seal(at(XSDT_AT), "XSDT", 36);
	tap_ok(!acpi_open_root(&both, &env, &root) && !root.count && !nr_lines, "an empty XSDT");
	put_tables();
	seal(at(XSDT_AT), "XSDT", 36 + 24 + 5);
	tap_ok(!acpi_open_root(&both, &env, &root) && root.count == 3 && only("5 bytes too many"),
	       "an XSDT that ends within an entry");
	put_tables();
	seal(at(XSDT_AT), "XSDT", 36 + (ROOT_MAX_ENTRIES + 1) * 8);
	memset(at(XSDT_AT + 36), 0, (ROOT_MAX_ENTRIES + 1) * 8);
	seal(at(XSDT_AT), "XSDT", 36 + (ROOT_MAX_ENTRIES + 1) * 8);
	tap_ok(!acpi_open_root(&both, &env, &root) && root.count == ROOT_MAX_ENTRIES &&
		       only("1025 entries, only the first 1024"),
	       "an XSDT with more entries than any machine has");
}

static void finding_tables(void)
{
	struct acpi_root root;
	size_t len = 0;

	put_tables();
	acpi_open_root(&both, &env, &root);
	tap_ok(acpi_find_table(&root, "EFGH", &env, &len) && len == 50 && !nr_lines,
	       "a table through misaligned 64-bit entries, past a null one");
	tap_ok(!acpi_find_table(&root, "IJKL", &env, &len) && !nr_lines, "no such table: no noise");

	put_tables();
	put_xsdt((const uint64_t[]){ 0xfffffffffffffff0, MEM_BASE + 0x8000, EFGH_AT }, 3);
	tap_ok(!acpi_open_root(&both, &env, &root) && nr_lines == 2 &&
		       strstr(lines[0], "XSDT entry 0: no table at 0xfffffffffffffff0") &&
		       strstr(lines[1], "XSDT entry 1: no table at 0x108000"),
	       "entries that point nowhere, and to what is no table, are named once");
	tap_ok(acpi_find_table(&root, "EFGH", &env, &len) && nr_lines == 2, "and searched past");

	put_tables();
	seal(at(ABCD_AT), "EFGH", 60);
	((struct acpi_header *)at(ABCD_AT))->length = 7;
	acpi_open_root(&both, &env, &root);
	tap_ok(acpi_find_table(&root, "EFGH", &env, &len) && len == 50 &&
		       only("EFGH at 0x101000: length 0x7 out of bounds"),
	       "of two tables the one that can be read");
	tap_ok(!acpi_map_table(ABCD_AT, "DSDT", &env, &len) && nr_lines == 2 &&
		       strstr(lines[1], "no DSDT at 0x101000"),
	       "a table that another one names must be what it is named");
}

int main(void)
{
	rsdp_old();
	rsdp_new();
	rsdp_search();
	table_header();
	roots();
	root_lengths();
	finding_tables();
	fresh();
	return tap_done();
}

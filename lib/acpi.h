/*
 * ACPI tables, read but never mapped: the caller hands in memory, or a way to map it, and gets
 * plain values back. Firmware is not trusted. No read goes past the length given, and what looks
 * wrong is said in one line and then survived.
 *
 * All functions are pure: no globals, no locks, no allocation. Any context, if the callbacks may be
 * called there. Fields of ACPI tables are little-endian and not aligned.
 */
#ifndef LIB_ACPI_H
#define LIB_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the functions below need from their surroundings. */
struct acpi_env {
	/* @len bytes at a physical address, to stay mapped; NULL if that is not memory. */
	const void *(*map)(void *ctx, uint64_t phys, size_t len);
	/* One finding: one line without a newline. Never NULL. */
	void (*report)(void *ctx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
	void *ctx;
};

/* The header that every table but the RSDP starts with. ACPI 6.5 §5.2.6 */
struct acpi_header {
	char signature[4];
	uint32_t length; /* of the whole table, header included */
	uint8_t revision;
	uint8_t checksum; /* makes the sum of all bytes 0 */
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	uint32_t creator_id;
	uint32_t creator_revision;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_header) == 36, "ACPI 6.5 table 5.4");

#define ACPI_TABLE_MAX (4u << 20) /* the largest DSDTs in use are about 1 MB */

/* Generic Address Structure. ACPI 6.5 §5.2.3.2 */
struct acpi_gas {
	uint8_t space;
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size;
	uint64_t address; /* 0: the register does not exist */
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_gas) == 12, "ACPI 6.5 table 5.1");

#define ACPI_SPACE_MEMORY 0
#define ACPI_SPACE_IO     1
#define ACPI_SPACE_PCI    2

struct acpi_rsdp_info {
	uint64_t xsdt; /* physical; 0: none */
	uint32_t rsdt;
	uint8_t revision;
};

/* The table of tables: XSDT or RSDT. */
struct acpi_root {
	const uint8_t *entries;
	size_t entry_size; /* 8 or 4 */
	size_t count;
};

/* Do @len bytes add up to 0? */
bool acpi_checksum_ok(const void *p, size_t len);

/*
 * Is there an RSDP at @p? Of revision 2 and later both checksums must hold; if fewer bytes are
 * available than it has (a loader's 20-byte copy), the RSDT alone is taken from it.
 * -ENOENT: no signature. -EINVAL: @avail too small. -EPROTO: checksum or length wrong.
 * -ENODATA: it names no table.
 */
int acpi_rsdp_check(const void *p, size_t avail, struct acpi_rsdp_info *out);

/* The first valid RSDP in @len bytes, looked for in steps of 16 bytes; -ENOENT if there is none. */
int acpi_rsdp_search(const void *start, size_t len, struct acpi_rsdp_info *out);

/*
 * A table header is sane: printable signature, length of 36 bytes to @avail and ACPI_TABLE_MAX, and
 * the checksum. -EINVAL: no header. -EOVERFLOW: length out of bounds. -EPROTO: checksum.
 */
int acpi_table_check(const void *p, size_t avail);

/*
 * The XSDT, or if that is of no use the RSDT. Reports why a root table was refused and which
 * entries cannot be tables; null entries are common and skipped in silence. -ENODEV: neither is
 * usable.
 */
int acpi_open_root(const struct acpi_rsdp_info *rsdp, const struct acpi_env *env,
		   struct acpi_root *out);

/*
 * The whole table at @phys; *len is its length. NULL if it is not mapped or has another signature,
 * and, with a report, if the length is out of bounds. The checksum is left to the table's parser:
 * tables with a wrong one are common and mostly right.
 */
const void *acpi_map_table(uint64_t phys, const char *signature, const struct acpi_env *env,
			   size_t *len);

/* The first usable table of that signature; otherwise as acpi_map_table(). */
const void *acpi_find_table(const struct acpi_root *root, const char *signature,
			    const struct acpi_env *env, size_t *len);

/*
 * How many bytes of a table its parser may read, given @avail: 0 if it is not that table at all.
 * Reports a length beyond @avail and a wrong checksum; neither forbids the use of what is there.
 */
size_t acpi_usable_length(const void *table, size_t avail, const char *signature,
			  const struct acpi_env *env);

#endif

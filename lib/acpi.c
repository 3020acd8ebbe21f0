/*
 * Finds ACPI tables: from the RSDP through the XSDT or RSDT to a table of a given signature. Kept
 * apart from the hardware so that every kind of damage can be fed to it on the build host.
 */
#include <lib/acpi.h>
#include <lib/errno.h>
#include <lib/string.h>

#define RSDP_SIGNATURE "RSD PTR "
#define RSDP_STEP      16 /* ACPI 6.5 §5.2.5.1 */
#define RSDP_V1_SIZE   20

#define ROOT_MAX_ENTRIES \
	1024 /* real machines have some 30: bounds the time a damaged length costs */

/*
 * Root System Description Pointer. ACPI 6.5 §5.2.5.3
 *
 *  0        8      9        15    16       20     24        32          33
 * +--------+------+--------+-----+--------+------+---------+-----------+----------+
 * |"RSD PTR "| sum | OEM id | rev | RSDT   |length| XSDT    | sum of all| reserved |
 * +--------+------+--------+-----+--------+------+---------+-----------+----------+
 *  `------- revision 0: these 20 bytes ------' `------ from revision 2 on -------'
 */
struct rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum; /* of all length bytes */
	uint8_t reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct rsdp) == 36, "ACPI 6.5 table 5.3");
_Static_assert(offsetof(struct rsdp, length) == RSDP_V1_SIZE, "ACPI 6.5 table 5.3");

bool acpi_checksum_ok(const void *p, size_t len)
{
	const uint8_t *byte = p;
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += byte[i];
	return sum == 0;
}

/* The part that revision 2 added. Loaders may hand over a copy of only the first 20 bytes. */
static int rsdp_check_extended(const struct rsdp *rsdp, size_t avail, struct acpi_rsdp_info *out)
{
	if (avail < sizeof(*rsdp))
		return 0;
	if (rsdp->length < sizeof(*rsdp) || rsdp->length > avail)
		return -EPROTO;
	if (!acpi_checksum_ok(rsdp, rsdp->length))
		return -EPROTO;
	out->xsdt = rsdp->xsdt;
	return 0;
}

int acpi_rsdp_check(const void *p, size_t avail, struct acpi_rsdp_info *out)
{
	const struct rsdp *rsdp = p;
	int error = 0;

	*out = (struct acpi_rsdp_info){ 0 };
	if (avail < RSDP_V1_SIZE)
		return -EINVAL;
	if (memcmp(rsdp->signature, RSDP_SIGNATURE, sizeof(rsdp->signature)))
		return -ENOENT;
	if (!acpi_checksum_ok(rsdp, RSDP_V1_SIZE))
		return -EPROTO;
	out->revision = rsdp->revision;
	out->rsdt = rsdp->rsdt;
	if (rsdp->revision >= 2)
		error = rsdp_check_extended(rsdp, avail, out);
	if (!error && !out->rsdt && !out->xsdt)
		error = -ENODATA;
	return error;
}

int acpi_rsdp_search(const void *start, size_t len, struct acpi_rsdp_info *out)
{
	const uint8_t *p = start;

	for (size_t at = 0; at < len; at += RSDP_STEP) {
		if (!acpi_rsdp_check(p + at, len - at, out))
			return 0;
	}
	return -ENOENT;
}

static bool signature_printable(const struct acpi_header *header)
{
	for (size_t i = 0; i < sizeof(header->signature); i++) {
		if (header->signature[i] < ' ' || header->signature[i] > '~')
			return false;
	}
	return true;
}

static bool has_signature(const struct acpi_header *header, const char *signature)
{
	return !memcmp(header->signature, signature, sizeof(header->signature));
}

static bool length_sane(uint32_t length)
{
	return length >= sizeof(struct acpi_header) && length <= ACPI_TABLE_MAX;
}

int acpi_table_check(const void *p, size_t avail)
{
	const struct acpi_header *header = p;

	if (avail < sizeof(*header) || !signature_printable(header))
		return -EINVAL;
	if (!length_sane(header->length) || header->length > avail)
		return -EOVERFLOW;
	return acpi_checksum_ok(p, header->length) ? 0 : -EPROTO;
}

const void *acpi_map_table(uint64_t phys, const char *signature, const struct acpi_env *env,
			   size_t *len)
{
	const struct acpi_header *header = env->map(env->ctx, phys, sizeof(*header));
	const void *table;

	if (!header || !has_signature(header, signature)) {
		env->report(env->ctx, "no %s at 0x%lx", signature, phys);
		return NULL;
	}
	*len = header->length;
	if (!length_sane(header->length)) {
		env->report(env->ctx, "%s at 0x%lx: length 0x%x out of bounds", signature, phys,
			    header->length);
		return NULL;
	}
	table = env->map(env->ctx, phys, *len);
	if (!table)
		env->report(env->ctx, "%s at 0x%lx: not all of its 0x%zx bytes are memory",
			    signature, phys, *len);
	return table;
}

/* An XSDT's entries are 8 bytes long and lie on 4-byte boundaries; an RSDT's are 4 bytes long. */
static uint64_t root_entry(const struct acpi_root *root, size_t i)
{
	uint64_t phys = 0;

	memcpy(&phys, root->entries + i * root->entry_size, root->entry_size);
	return phys;
}

static void report_bad_entries(const struct acpi_root *root, const char *signature,
			       const struct acpi_env *env)
{
	for (size_t i = 0; i < root->count; i++) {
		uint64_t phys = root_entry(root, i);
		const struct acpi_header *header;

		if (!phys)
			continue;
		header = env->map(env->ctx, phys, sizeof(*header));
		if (!header || !signature_printable(header))
			env->report(env->ctx, "%s entry %zu: no table at 0x%lx", signature, i,
				    phys);
	}
}

static int open_root_table(uint64_t phys, const char *signature, size_t entry_size,
			   const struct acpi_env *env, struct acpi_root *out)
{
	size_t len;
	const uint8_t *table = acpi_map_table(phys, signature, env, &len);

	if (!table)
		return -ENODEV;
	if (acpi_table_check(table, len)) {
		env->report(env->ctx, "%s at 0x%lx: bad checksum, not used", signature, phys);
		return -ENODEV;
	}
	len -= sizeof(struct acpi_header);
	if (len % entry_size)
		env->report(env->ctx, "%s at 0x%lx: %zu bytes too many at its end", signature, phys,
			    len % entry_size);
	out->entries = table + sizeof(struct acpi_header);
	out->entry_size = entry_size;
	out->count = len / entry_size;
	if (out->count > ROOT_MAX_ENTRIES) {
		env->report(env->ctx, "%s at 0x%lx: %zu entries, only the first %u are read",
			    signature, phys, out->count, ROOT_MAX_ENTRIES);
		out->count = ROOT_MAX_ENTRIES;
	}
	report_bad_entries(out, signature, env);
	return 0;
}

int acpi_open_root(const struct acpi_rsdp_info *rsdp, const struct acpi_env *env,
		   struct acpi_root *out)
{
	*out = (struct acpi_root){ 0 };
	if (rsdp->xsdt && !open_root_table(rsdp->xsdt, "XSDT", sizeof(uint64_t), env, out))
		return 0;
	if (rsdp->rsdt && !open_root_table(rsdp->rsdt, "RSDT", sizeof(uint32_t), env, out))
		return 0;
	return -ENODEV;
}

const void *acpi_find_table(const struct acpi_root *root, const char *signature,
			    const struct acpi_env *env, size_t *len)
{
	for (size_t i = 0; i < root->count; i++) {
		uint64_t phys = root_entry(root, i);
		const struct acpi_header *header;
		const void *table;

		if (!phys)
			continue;
		header = env->map(env->ctx, phys, sizeof(*header));
		if (!header || !has_signature(header, signature))
			continue;
		table = acpi_map_table(phys, signature, env, len);
		if (table)
			return table;
	}
	return NULL;
}

size_t acpi_usable_length(const void *table, size_t avail, const char *signature,
			  const struct acpi_env *env)
{
	const struct acpi_header *header = table;
	int error = acpi_table_check(table, avail);

	if (error == -EINVAL || !has_signature(header, signature))
		return 0;
	if (error == -EOVERFLOW && header->length < sizeof(*header))
		return 0;
	if (error == -EOVERFLOW)
		env->report(env->ctx, "%s: length 0x%x, but only 0x%zx bytes are there", signature,
			    header->length, avail);
	if (error == -EPROTO)
		env->report(env->ctx, "%s: bad checksum, used all the same", signature);
	return header->length < avail ? header->length : avail;
}

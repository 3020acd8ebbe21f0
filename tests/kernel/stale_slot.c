/*
 * The oracle for stale translations: what stands in a slot, and saying that something else does.
 */
#include "stale.h"
#include <lib/printf.h>
#include <lib/string.h>
#include <stdarg.h>
#include <assert.h>
#include <stdatomic.h>

#define STAMP_MAGIC 0x5aull

static_assert(sizeof(struct stale_version) == sizeof(uint64_t), "read in one piece");
static_assert(sizeof(struct stale_part) == sizeof(uint64_t), "read in one piece");

void (*stale_complain)(const char *text);

uint64_t stale_stamp(const struct stale_slot *slot, uint32_t number, unsigned int page)
{
	return STAMP_MAGIC << 56 | (uint64_t)slot->id << 48 | (uint64_t)page << 32 | number;
}

static struct stale_version unpack(uint64_t word)
{
	struct stale_version version;

	memcpy(&version, &word, sizeof(word));
	return version;
}

struct stale_version stale_version_of(const struct stale_slot *slot)
{
	/* Acquire: what was changed before it was published is over. */
	return unpack(atomic_load_explicit(&slot->version, memory_order_acquire));
}

struct stale_part stale_part_of(const struct stale_slot *slot)
{
	/* Acquire: who sees a new part sees that the version is changing, or has changed. */
	uint64_t word = atomic_load_explicit(&slot->part, memory_order_acquire);
	struct stale_part part;

	memcpy(&part, &word, sizeof(part));
	return part;
}

void stale_set_part(struct stale_slot *slot, struct stale_part part)
{
	uint64_t word;

	memcpy(&word, &part, sizeof(word));
	atomic_store_explicit(&slot->part, word, memory_order_release);
}

struct stale_version stale_version_at(const struct stale_slot *slot, unsigned int page)
{
	struct stale_version version = stale_version_of(slot);
	struct stale_part part = stale_part_of(slot);

	if (page >= part.from && page < part.to)
		version.state = part.state & 0x7f;
	return version;
}

void stale_broken(const struct stale_slot *slot, uint64_t address, struct stale_version version,
		  const char *format, ...)
{
	char text[200];
	va_list args;
	int used = snprintf(text, sizeof(text), "slot %u, %#lx, number %u, state %u%s: ", slot->id,
			    address, version.number, version.state,
			    version.changing ? ", changing" : "");

	va_start(args, format);
	vsnprintf(text + used, sizeof(text) - (size_t)used, format, args);
	va_end(args);
	stale_complain(text);
}

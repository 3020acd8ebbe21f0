/*
 * The kernel's own symbol table: functions in order of address, made by
 * tools/symbols from the first of two links.
 *
 *   u32 count · u32 offset from text_start [count] · u32 offset of name [count] · names
 */
#include <kernel/debug/symbols.h>
#include <lib/printf.h>

extern const uint32_t symbols_start[];
extern const char text_start[], text_end[];

/* The last entry at or before offset, by halving. */
static uint32_t search(const uint32_t *offsets, uint32_t count, uint32_t offset)
{
	uint32_t low = 0, high = count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (offsets[middle] <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

const char *symbol_find(uint64_t address, uint64_t *offset)
{
	uint32_t count = symbols_start[0], from_start, index;
	const uint32_t *offsets = symbols_start + 1;
	const uint32_t *names = offsets + count;

	if (!count || address < (uint64_t)text_start || address >= (uint64_t)text_end)
		return NULL;
	from_start = (uint32_t)(address - (uint64_t)text_start);
	index = search(offsets, count, from_start);
	*offset = from_start - offsets[index];
	return (const char *)(names + count) + names[index];
}

void symbol_format(uint64_t address, bool returns, char *text, size_t size)
{
	uint64_t offset;
	const char *name = symbol_find(address - returns, &offset);

	if (name)
		snprintf(text, size, "%s+%#lx [<%016lx>]", name, offset + returns, address);
	else
		snprintf(text, size, "[<%016lx>]", address);
}

const char *symbol_name(uint64_t address, char *text, size_t size)
{
	uint64_t offset;
	const char *name = symbol_find(address, &offset);

	if (name && !offset)
		snprintf(text, size, "%s", name);
	else
		symbol_format(address, false, text, size);
	return text;
}

/*
 * The name of a call: a number that says whose record, which of its calls, and which
 * use of it. What both sides write follows from the name alone, so that neither
 * has to trust the other's memory.
 *
 *   63…32 generation   31…16 sender   8…1 slot   0 inner
 */
#include "torture.h"
#include <kernel/smp/cpu.h>

static_assert(RECORDS <= 256, "a slot has eight bits in a name");

void *torture_name(const struct call *call)
{
	const struct record *record = call->record;
	uint64_t generation = atomic_load_explicit(&record->generation, memory_order_relaxed);

	return (void *)(generation << 32 | (uint64_t)record->sender << 16 |
			(uint64_t)record->slot << 1 | (call == &record->calls[INNER]));
}

struct call *torture_named(void *name)
{
	uint64_t number = (uint64_t)name;
	unsigned int sender = number >> 16 & 0xffff, slot = number >> 1 & 0xff;

	if (sender >= MAX_CPUS || !torture_senders[sender] || slot >= RECORDS)
		return NULL;
	return &torture_senders[sender]->records[slot].calls[number & 1];
}

uint32_t torture_name_generation(void *name)
{
	return (uint32_t)((uint64_t)name >> 32);
}

/* Multiplying by an odd number and folding the high half in spreads every bit. */
static uint32_t mixed(uint64_t value)
{
	value *= 0x9e3779b97f4a7c15ull;
	value ^= value >> 32;
	value *= 0xd6e8feb86659fd93ull;
	return (uint32_t)(value >> 32);
}

uint32_t torture_in(void *name)
{
	return mixed((uint64_t)name);
}

uint32_t torture_out(void *name, unsigned int cpu)
{
	return mixed((uint64_t)name + ((uint64_t)(cpu + 1) << 20));
}

bool torture_wanted(void *name, unsigned int cpu)
{
	return torture_out(name, cpu) & 1;
}

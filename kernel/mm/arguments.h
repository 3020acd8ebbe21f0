/*
 * What the functions of <kernel/mm/aspace.h> can be asked for. For them alone.
 */
#ifndef KERNEL_MM_ARGUMENTS_H
#define KERNEL_MM_ARGUMENTS_H

#include <kernel/mm/aspace.h>

static inline bool is_range(const struct aspace *aspace, uint64_t virt, uint64_t length,
			    uint64_t size)
{
	uint64_t end = virt + length;

	/* One that wraps, or has no length, does not end behind its start. */
	return !((virt | length) & (size - 1)) && end > virt && virt >= aspace->start &&
	       end <= aspace->end;
}

static inline bool are_flags(enum map_flags flags, unsigned int allowed)
{
	return !(flags & ~allowed) && (flags & (MAP_WRITE | MAP_EXEC)) != (MAP_WRITE | MAP_EXEC);
}

#endif

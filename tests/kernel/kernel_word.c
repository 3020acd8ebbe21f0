/*
 * Reading the kernel's half, which may fault; the host's machine has its own.
 */
#include "stale.h"
#include <arch/trap.h>

int kernel_word(uint64_t *value, uint64_t address)
{
	return probe_read(value, (const void *)address, sizeof(*value));
}

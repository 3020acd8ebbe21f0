/*
 * Accesses that may fault, and the search for what to do when they did.
 */
#include "extable.h"
#include <arch/trap.h>
#include <lib/errno.h>

extern const struct extable_entry extable_start[], extable_end[];

uint64_t extable_find(uint64_t rip)
{
	for (const struct extable_entry *entry = extable_start; entry < extable_end; entry++) {
		if (entry->instruction == rip)
			return entry->fixup;
	}
	return 0;
}

int rdmsr_safe(uint32_t msr, uint64_t *value)
{
	uint32_t low = 0, high = 0;
	int error = -EIO;

	asm volatile("1: rdmsr\n\t"
		     "xor %[error], %[error]\n"
		     "2:\n\t" EXTABLE(1b, 2b)
		     : [error] "+r"(error), "+a"(low), "+d"(high)
		     : "c"(msr)
		     : "memory");
	*value = (uint64_t)high << 32 | low;
	return error;
}

int wrmsr_safe(uint32_t msr, uint64_t value)
{
	int error = -EIO;

	asm volatile("1: wrmsr\n\t"
		     "xor %[error], %[error]\n"
		     "2:\n\t" EXTABLE(1b, 2b)
		     : [error] "+r"(error)
		     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
		     : "memory");
	return error;
}

/* REP MOVSB restarts at the byte that faulted; what was copied stays copied. */
static int copy_probing(void *to, const void *from, size_t size)
{
	int error = -EFAULT;

	asm volatile("1: rep movsb\n\t"
		     "xor %[error], %[error]\n"
		     "2:\n\t" EXTABLE(1b, 2b)
		     : [error] "+r"(error), "+D"(to), "+S"(from), "+c"(size)
		     :
		     : "memory");
	return error;
}

int probe_read(void *to, const void *from, size_t size)
{
	return copy_probing(to, from, size);
}

int probe_write(void *to, const void *from, size_t size)
{
	return copy_probing(to, from, size);
}

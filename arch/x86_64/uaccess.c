/*
 * Accesses to the lower half. Each has an entry in the exception table, which a fault that nobody
 * could serve ends in.
 */
#include "extable.h"
#include <arch/trap.h>
#include <arch/uaccess.h>
#include <lib/errno.h>

bool arch_has_smap;

static bool is_users(uint64_t address, uint64_t size)
{
	return address >= USER_START && address <= USER_END && size <= USER_END - address;
}

int get_user(uint64_t *value, uint64_t address)
{
	uint64_t read = 0;
	int error = -EFAULT;

	if (!is_users(address, sizeof(read)))
		return -EFAULT;
	user_access_begin();
	asm volatile("1: mov (%[address]), %[read]\n\t"
		     "xor %[error], %[error]\n"
		     "2:\n\t" EXTABLE(1b, 2b)
		     : [error] "+r"(error), [read] "+r"(read)
		     : [address] "r"(address)
		     : "memory");
	user_access_end();
	*value = read;
	return error;
}

int put_user(uint64_t value, uint64_t address)
{
	int error = -EFAULT;

	if (!is_users(address, sizeof(value)))
		return -EFAULT;
	user_access_begin();
	asm volatile("1: mov %[value], (%[address])\n\t"
		     "xor %[error], %[error]\n"
		     "2:\n\t" EXTABLE(1b, 2b)
		     : [error] "+r"(error)
		     : [address] "r"(address), [value] "r"(value)
		     : "memory");
	user_access_end();
	return error;
}

int copy_from_user(void *to, uint64_t from, size_t size)
{
	int error;

	if (!is_users(from, size))
		return -EFAULT;
	user_access_begin();
	error = probe_read(to, (const void *)from, size);
	user_access_end();
	return error;
}

int copy_to_user(uint64_t to, const void *from, size_t size)
{
	int error;

	if (!is_users(to, size))
		return -EFAULT;
	user_access_begin();
	error = probe_write((void *)to, from, size);
	user_access_end();
	return error;
}

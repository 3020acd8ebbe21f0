/*
 * The lower half as the kernel touches it: on purpose, and ready to fault.
 *
 * SMAP keeps the kernel from touching a user's pages by mistake: it may only while RFLAGS.AC is
 * set. Interrupts keep the flag, so that what they interrupt finds it as it was.
 */
#ifndef ARCH_UACCESS_H
#define ARCH_UACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The last page is left out: CPUs differ on what follows it. The first ones catch null pointers. */
#define USER_START 0x10000ul
#define USER_END   0x00007ffffffff000ul
#define LOWER_END  0x0000800000000000ul

/* Whether CR4.SMAP is set, on all CPUs alike. */
extern bool arch_has_smap;

/* Between these two the kernel may touch a user's pages. Any context; not nested. */
static inline void user_access_begin(void)
{
	if (arch_has_smap)
		asm volatile("stac" : : : "memory", "cc");
}

static inline void user_access_end(void)
{
	if (arch_has_smap)
		asm volatile("clac" : : : "memory", "cc");
}

/*
 * Reads or writes one aligned word, or size bytes, of the address space in use. 0, or -EFAULT if
 * nobody could serve the fault, or the address is no user's; of a copy, a part may have been made.
 * Thread context; with interrupts off no fault is served.
 */
int get_user(uint64_t *value, uint64_t address);
int put_user(uint64_t value, uint64_t address);
int copy_from_user(void *to, uint64_t from, size_t size);
int copy_to_user(uint64_t to, const void *from, size_t size);

#endif

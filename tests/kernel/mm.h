/*
 * Helpers for the tests of address spaces.
 */
#ifndef TESTS_KERNEL_MM_H
#define TESTS_KERNEL_MM_H

#include <kernel/mm/aspace.h>
#include <stdbool.h>
#include <stdint.h>

#define MB (1ul << 20)
#define GB (1ul << 30)

/* Where the tests map: aligned to all page sizes. */
#define TEST_BASE (4 * GB)

/* What a space says: all its leaves, without what the hardware notes in them, in one number. */
uint64_t space_digest(struct aspace *aspace);

/*
 * Calls make(info) with every allocation of a frame in turn failing, until it succeeds. Each
 * failure must be -ENOMEM and leave the space (NULL: none) and the free frames as they were.
 */
void fail_each_allocation(struct aspace *aspace, int (*make)(void *info), void *info);

/* Reads and writes a word, which must be possible; fails the test if it is not. */
uint64_t user_word(uint64_t address);
void set_user_word(uint64_t address, uint64_t value);

/* Lets two pages change places in the tables alone; nobody is told. The space is locked. */
void swap_pages(struct aspace *aspace, uint64_t a, uint64_t b);

#endif

/*
 * One space at a time, for tests that see whether all of it comes back.
 */
#ifndef TESTS_KERNEL_SPACE_H
#define TESTS_KERNEL_SPACE_H

#include <kernel/mm/aspace.h>
#include <stdbool.h>
#include <stdint.h>

/* The space in use, and how many frames were free before it was made. */
extern struct aspace *space;
extern uint64_t space_free_before;

/* Makes it, and uses it. Whether there was memory; if not, the test has failed. */
bool space_begin(void);

/* Takes it apart; nothing may be left of it. */
void space_end(void);

#endif

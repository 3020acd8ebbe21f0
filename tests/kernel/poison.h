/*
 * Free frames that somebody has written to.
 */
#ifndef TESTS_KERNEL_POISON_H
#define TESTS_KERNEL_POISON_H

#include <stdint.h>

/*
 * Of the frames that were poisoned (<kernel/mm/frames.h>) and are still free: how many of them are
 * not as they were left, also those that nobody will be given for long. Each is looked at once, and is
 * a free frame like any other then. Thread context.
 */
uint64_t poison_broken(void);

#endif

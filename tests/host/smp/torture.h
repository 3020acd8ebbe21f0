/*
 * Every CPU calls every other one at random, all at once, and every call is accounted for.
 */
#ifndef TESTS_HOST_SMP_TORTURE_H
#define TESTS_HOST_SMP_TORTURE_H

#include <stdint.h>

/*
 * Runs until calls were made by threads, or for that many seconds if that is not 0. Thread context
 * on CPU 0, all others idle. Fails the program at the first thing that is wrong.
 */
void torture(uint64_t calls, uint64_t seconds, uint64_t seed);

#endif

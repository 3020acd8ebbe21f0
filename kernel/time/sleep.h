/* Waiting for time to pass. */
#ifndef KERNEL_TIME_SLEEP_H
#define KERNEL_TIME_SLEEP_H

#include <stdint.h>

/*
 * Gives the CPU away for at least ns; where there is no timer that can be used, it lets
 * others run again and again. Thread context. 0, or -EDEADLK where nobody may wait.
 */
int sleep_ns(uint64_t ns);

#endif

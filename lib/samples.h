/* What can be said of a set of measurements. Any context. */
#ifndef LIB_SAMPLES_H
#define LIB_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

struct summary {
	uint64_t min, p50, p90, p99, max;
};

/* Sorts the samples in place (heap sort: no stack, no bad case). */
void samples_sort(uint64_t *samples, size_t count);

/* Sorts, and reads the percentiles off by nearest rank. count must not be 0. */
struct summary samples_summary(uint64_t *samples, size_t count);

#endif

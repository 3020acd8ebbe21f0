/* How far apart two CPUs' time-stamp counters are. */
#ifndef KERNEL_REPORT_TSC_OFFSET_H
#define KERNEL_REPORT_TSC_OFFSET_H

#include <stdint.h>

struct tsc_offset {
	int64_t ns;        /* positive: the other CPU's is ahead */
	uint64_t error_ns; /* the truth is within this of it */
};

/* Between this CPU and an online one. Thread context, interrupts on. */
struct tsc_offset tsc_offset_measure(unsigned int cpu);

#endif

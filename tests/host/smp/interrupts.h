/*
 * How signals become interrupts; for machine.c, which sends them.
 */
#ifndef TESTS_HOST_SMP_INTERRUPTS_H
#define TESTS_HOST_SMP_INTERRUPTS_H

#include <stdint.h>

#define NMI_SIGNAL SIGPROF

/* For all threads; those that are made after this begin with interrupts off. */
void interrupts_init(void);

/* The signal that stands for an interrupt vector. Fails for one that has none. */
int interrupts_signal(unsigned int vector);

/* Yields the processor now and then, so that more is interleaved than time slices would. */
void interrupts_jitter(void);

/* What this thread's random choices begin with. */
void interrupts_seed(uint64_t seed);
uint64_t interrupts_random(uint64_t bound);

#endif

/*
 * Descriptors that the caller owns, in the torture: chains, which are armed again by their own
 * functions, and pulses, which are sent whether or not the last one has arrived.
 */
#ifndef TESTS_HOST_SMP_DESCRIPTORS_H
#define TESTS_HOST_SMP_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

/* Before the others begin. */
void descriptors_init(void);

/* Thread or, for a pulse, any context. */
void chain_start(uint64_t *random);
void pulse_send(uint64_t *random);

struct descriptor_tally {
	uint64_t chains, links; /* begun, and armed again by a function */
	uint64_t pulses, busy;  /* accepted, and -EBUSY */
};

/* Whether no chain goes on. Any context. */
bool chains_are_over(void);

/* The sum over all CPUs; all quiet. Fails if a pulse was lost or a descriptor is not free. */
struct descriptor_tally descriptors_verify(void);

#endif

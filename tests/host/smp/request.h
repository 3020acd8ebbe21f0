/*
 * One random call: which function, to whom, waited or not, and with what error it must end.
 */
#ifndef TESTS_HOST_SMP_REQUEST_H
#define TESTS_HOST_SMP_REQUEST_H

#include <stdint.h>

/*
 * Makes one random call and checks its result. With interrupts off, from a thread or a handler,
 * a waited one must be refused. depth says how many further calls it may lead to, one inside
 * the other. random is the caller's.
 */
void request_make(uint64_t *random, uint32_t depth);

struct tally {
	uint64_t accepted;  /* by a thread or a handler */
	uint64_t nested;    /* of these, by handlers and with interrupts off */
	uint64_t refused;   /* with the error that the rules ask for */
	uint64_t exhausted; /* for want of descriptors */
	uint64_t skipped;   /* in handlers, for want of a record */
};

/* The sum over all CPUs; all quiet. */
struct tally request_tally(void);

#endif

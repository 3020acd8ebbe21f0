/*
 * The oracle: every call takes a record along, which knows where the call must run, in which order,
 * and what its function must find. The function checks that and writes down that it ran.
 *
 * Exactly once: each record counts its runs for each CPU, and each CPU runs only the ticket that is
 * next. Tickets are numbered for each sender and target. A sender has two streams of them, for calls
 * that were numbered and queued with interrupts on and off, since a handler may make a call
 * between those two steps of the thread it interrupted.
 *
 * Only the calls under test order memory here: no atomic of the oracle is stronger than relaxed,
 * except where a record is used again, which is long after the call.
 */
#ifndef TESTS_HOST_SMP_RECORD_H
#define TESTS_HOST_SMP_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <tests/host/smp/host.h>

#define RECORD_WORDS 4

enum stream {
	STREAM_ON,  /* made by a thread, interrupts on */
	STREAM_OFF, /* made with interrupts off, in handlers too */
	STREAMS,
};

struct record {
	/* Written by the sender before the call; plain, so that a lost order is a data race. */
	uint64_t serial;
	const char *what;
	uint64_t targets; /* one bit for each CPU */
	uint32_t sender, stream;
	uint32_t ticket[HOST_CPUS]; /* for each target */
	uint64_t words[RECORD_WORDS];
	uint32_t spins; /* how long the function takes */
	uint32_t depth; /* how many calls it may lead to, one in the other */
	void (*then)(const struct record *from); /* called by the function; may be null */

	/* Written by the function. */
	uint64_t reply[HOST_CPUS];
	atomic_uint runs[HOST_CPUS];
};

/*
 * A record for a call that this CPU is about to make, with tickets for its targets. Interrupts must
 * be as the stream says. When the oldest record's call has not run yet: on STREAM_ON it
 * waits, on STREAM_OFF it returns NULL.
 */
struct record *record_open(enum stream stream, const char *what, uint64_t targets);

/* The call was refused: its tickets are given back. Nothing may have been opened since. */
void record_withdraw(struct record *record);

/* The function of all calls that have a record. */
void record_run(void *record);

/* After a waited call, or a call to oneself: it ran where it must and its replies are here. */
void record_verify(const struct record *record);

/* How many runs accepted calls have promised, and how many there were. Any context. */
uint64_t records_promised(void);
uint64_t records_run(void);

/* At the end, all quiet: looks at every record and ticket again. Thread context. */
void records_verify_all(void);

/* Spins that a compiler does not take away. Any context. */
void spin(uint32_t count);

#endif

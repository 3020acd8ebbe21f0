/*
 * The crowd: threads that do everything that threads do, while the senders call.
 *
 *   crowd.c   makes them, lets them meet, ends them, and adds up what they did
 *   deeds.c   what each of them does, and what must come of it
 */
#ifndef TESTS_TORTURE_CROWD_H
#define TESTS_TORTURE_CROWD_H

#include <kernel/sched/completion.h>
#include <kernel/sched/mutex.h>
#include <kernel/sched/semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct member {
	unsigned int number;
	struct thread *thread;
	uint64_t random;
	bool fpu;
	_Atomic uint64_t rounds;
	uint64_t calls, locked; /* what it did, for the sums */
	atomic_uint present;    /* how many CPUs run it: one */
	const char *doing;      /* its last deed; NULL before it began */
	atomic_bool arrived;    /* at its end, where it waits for the others */
	struct completion partner_came;
	/* Its call, if it makes one. */
	struct {
		unsigned int cpu;
		uint32_t in, out;
		_Atomic uint32_t ran;
	} call;
};

extern struct member *crowd;
extern unsigned int crowd_size;

/* One deed, drawn from the member's own numbers. Its thread. */
void crowd_act(struct member *member);

/* Two members meet: neither goes on before the other has come. */
void crowd_meet(struct member *member);

/* What all of them did together: that it adds up, and that nothing was left out. */
void crowd_check_sums(void);
void crowd_check_deeds(void);

/* Calls of members that were queued, not run in place. */
uint64_t crowd_calls_queued(void);

/* Makes the crowd that modes= asks for and lets it begin; ends it, and checks. Main thread. */
void crowd_start(uint64_t seed);
void crowd_end(void);

/* Says of those that do not go on where they are. Any context but NMI. */
void crowd_accuse(void);

/* Prints what they did, as a piece of a JSON object. */
void crowd_report(void);

#endif

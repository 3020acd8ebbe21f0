/*
 * The clocks whose rate is known, to measure the TSC by. Boot CPU, while it measures.
 */
#ifndef X86_REFCLOCK_H
#define X86_REFCLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct refclock {
	const char *name;
	uint64_t hz;   /* set by a probe that found the clock */
	uint64_t mask; /* the counter wraps past this */
	bool (*probe)(struct refclock *clock);
	uint64_t (*read)(void); /* counts up */
};

/* The best first; ends with one without a name. */
extern struct refclock refclocks[];

#endif

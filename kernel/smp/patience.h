/* How long something may take until it is reported, and again each time that doubles. */
#ifndef KERNEL_SMP_PATIENCE_H
#define KERNEL_SMP_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

/* In ns, by the clock of one CPU. */
struct patience {
	uint64_t since, limit;
};

static inline struct patience patience_begin(uint64_t now, uint64_t limit)
{
	return (struct patience){ .since = now, .limit = limit };
}

/*
 * Whether it is time to report. A clock that ran backwards blames nobody: all begins
 * anew.
 */
static inline bool patience_over(struct patience *patience, uint64_t now)
{
	if ((int64_t)(now - patience->since) < 0)
		*patience = patience_begin(now, patience->limit);
	if (now - patience->since <= patience->limit)
		return false;
	patience->limit = 2 * (now - patience->since);
	return true;
}

/* The report could not be made: not twice as long until the next try. */
static inline void patience_again(struct patience *patience)
{
	patience->limit /= 2;
}

#endif

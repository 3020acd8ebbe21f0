/*
 * Ways to make sure that no CPU uses a translation that is gone, the kernel's own among
 * them, behind one interface: so that the same tests hold for all of them, and benchmarks
 * compare them. For tests and benchmarks only. The kernel calls its shootdown directly.
 *
 *   targeted   the kernel's: an IPI to the CPUs that use the space, which answer
 *   broadcast  the classical one: an IPI to every CPU, and one shootdown at a time
 *   deferred   no IPI at all: each CPU flushes at its next tick, or when it leaves the
 *              space; what was unmapped is freed when all have
 *
 * What stays the same for all is who uses a space, and the generations by which a CPU that
 * comes back finds out that it has missed something (kernel/mm/tlb_switch.c).
 *
 * While something is deferred in a space, it is changed by that scheme alone, until it is
 * settled: a CPU that flushes one range for the kernel's shootdown would count as one that
 * has also flushed all that was deferred before.
 */
#ifndef TESTS_SCHEMES_SHOOTDOWN_H
#define TESTS_SCHEMES_SHOOTDOWN_H

#include <kernel/mm/aspace.h>
#include <stdbool.h>
#include <stdint.h>

/* What the tables do not say any more, and what was there. */
struct shootdown {
	struct aspace *aspace; /* not the kernel's half */
	uint64_t start, pages; /* or FLUSH_ALL */
	bool tables;           /* some of the frames were tables: everything is flushed */
	unsigned int count;
	const uint64_t *frames; /* count of them: address and level in one, as in a batch */
};

struct shootdown_scheme {
	const char *name;
	/*
	 * The tables were changed, their space is locked, interrupts are on. Returns whether no CPU
	 * can use an old translation any more, so that the frames may be put; if not, the scheme
	 * has taken them, and puts them when that holds.
	 */
	bool (*flush)(const struct shootdown *what);
	/* Waits until nothing of a space is deferred; NULL if nothing ever is. */
	int (*settle)(struct aspace *aspace);
	int (*start)(void), (*stop)(void); /* for shootdown_scheme_use */
};

extern const struct shootdown_scheme targeted_scheme, broadcast_scheme, deferred_scheme;

/* All of them, the kernel's first; NULL at the end. */
extern const struct shootdown_scheme *const shootdown_schemes[];

/*
 * Only this one may be called from now on; NULL: none. Boot CPU, thread context; nobody may
 * be in a call. Returns 0, -EBUSY if something is deferred or somebody else has the vector,
 * -ENOMEM.
 */
int shootdown_scheme_use(const struct shootdown_scheme *scheme);

#define SHOOTDOWN_MOST 64 /* pages at once: a batch of them never has to be flushed early */

/*
 * As aspace_unmap, by that scheme. Where it defers, others may use what was there until it is
 * settled, or the frames were seen to be free; nothing may be mapped there before. The same
 * errors, and -EINVAL for more than SHOOTDOWN_MOST pages, the kernel's half, no space, or a
 * scheme that is not in use.
 */
int shootdown_unmap(const struct shootdown_scheme *scheme, struct aspace *aspace, uint64_t virt,
		    uint64_t length);

/* Nothing of the space is deferred when it returns 0. Thread context; -EDEADLK, -EINVAL. */
int shootdown_settle(const struct shootdown_scheme *scheme, struct aspace *aspace);

/* Frames that a CPU can have deferred; what does not fit becomes a real shootdown. */
#define DEFERRED_MOST 127

/* What deferred_scheme does at each tick. Interrupts off. */
void deferred_tick(void);

/* For the schemes. */

#define SHOOTDOWN_STEP 2 /* what was missed is not the range in the line */

/*
 * Raises the generation: who begins to use the space, or comes back, flushes everything. By
 * SHOOTDOWN_STEP, since a range in the space's line is for those that are waited for. Locked.
 */
uint64_t shootdown_raise(const struct shootdown *what);

/* This CPU flushes, if it has to, and answers with that generation. Interrupts off. */
void shootdown_flush_here(const struct shootdown *what, uint64_t gen);

/* The kernel's own, by a CPU that may have missed something that was deferred. */
void shootdown_by_kernel(const struct shootdown *what);

/* One of the frames, back. */
void shootdown_put(uint64_t frame);

#endif

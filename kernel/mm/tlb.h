/*
 * Shootdown: making sure that no CPU uses a translation that the tables do not give any more.
 *
 * Who changes tables writes down what was changed in the space's flush line and raises its
 * generation; each CPU that uses the space is interrupted, flushes, and raises its own
 * generation to the space's, which is the answer. So the message is in one cache line that all
 * targets read, and each answer is in one that only its CPU writes. docs/shootdown.md has the
 * orders and the reasons.
 */
#ifndef KERNEL_MM_TLB_H
#define KERNEL_MM_TLB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct aspace;

/*
 * The last flush of a space. One that is behind by one generation has missed this range, and
 * only that; who is behind by more flushes everything. So a flush of everything raises the
 * generation by two.
 */
struct flush_line {
	_Atomic uint64_t gen;
	uint64_t start, pages;      /* good for who is one behind */
	_Atomic uint64_t freed_gen; /* the last that freed tables: nobody may walk them after it */
};

#define TLB_GEN_FIRST 2 /* so that 0, no generation at all, is more than one behind */

/* Spaces that a CPU remembers under a tag of their own, if it has tags. */
#define TLB_TAGS 6

/* A CPU's. Others read gen, kernel_gen and loaded; only the CPU itself writes. */
struct tlb {
	struct aspace *active;           /* whose lower half may be touched; &aspace_none */
	_Atomic uint64_t gen;            /* of loaded: all up to it was flushed; 0: not yet known */
	_Atomic uint64_t kernel_gen;     /* the same of the kernel's half */
	_Atomic(struct aspace *) loaded; /* whose tables are walked: active, or idly the last one */
	unsigned int tag;                /* of loaded */
	unsigned int next_tag;
	uint64_t full_flushes;
	struct {
		uint64_t id, gen; /* of the space; when it was in use last */
	} tags[TLB_TAGS];
};

/* Of a CPU that has used no space yet. */
extern struct aspace aspace_none;
#define TLB_OF_NOBODY \
	{ \
		.active = &aspace_none, .loaded = &aspace_none \
	}

/*
 * From here on others can use none of the old translations of these pages. The caller has changed
 * the tables before, and holds the space's lock. Thread context, interrupts on. Of the kernel's
 * space that is everybody, whatever it uses. 0, or -EINVAL and nothing is flushed for a range that
 * is empty, wraps, is not of whole pages, or is not of that space. Without the lock they panic.
 */
int flush_tlb_page(struct aspace *aspace, uint64_t virt);
int flush_tlb_range(struct aspace *aspace, uint64_t start, uint64_t end);
void flush_tlb_aspace(struct aspace *aspace);

/* The same of a range of the kernel's half. */
int flush_tlb_kernel_range(uint64_t start, uint64_t end);

/*
 * Everything that any CPU remembers, of all spaces. Needs no lock. Returns 0, or -EDEADLK with
 * interrupts off.
 */
int flush_tlb_all(void);

/* More pages than this are flushed by forgetting everything. */
extern uint64_t tlb_full;

/* This CPU is online from now on: what was flushed before is flushed here. Interrupts off. */
void tlb_cpu_online(void);

#endif

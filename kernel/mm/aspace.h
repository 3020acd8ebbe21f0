/*
 * Address spaces: what lies in the lower half while a CPU uses one. The upper half is the
 * kernel's, the same in all of them.
 *
 * Every function that changes a space waits until no CPU can use what was there before. So it
 * wants thread context with interrupts on, and no lock held that is also taken with interrupts
 * off. Addresses and lengths are in bytes. After an error the space is exactly as before.
 *
 *   -EDEADLK  interrupts are off (warns, once a call site)
 *   -EINVAL   not aligned, no length, past the ends, a level or flags that cannot be
 *   -EEXIST   something is mapped there already
 *   -ENOENT   not everything in the range is mapped
 *   -ENOMEM   no frame, or no table
 */
#ifndef KERNEL_MM_ASPACE_H
#define KERNEL_MM_ASPACE_H

#include <arch/mm.h>
#include <arch/uaccess.h>
#include <kernel/mm/aspace_lock.h>
#include <kernel/mm/tlb.h>
#include <lib/cpumask.h>
#include <stdbool.h>
#include <stdint.h>

struct aspace {
	struct flush_line line __attribute__((aligned(64))); /* read by who is interrupted */
	struct cpumask cpus __attribute__((aligned(64)));    /* whose active space it is */
	struct aspace_lock lock __attribute__((aligned(64)));
	_Atomic uint64_t *top; /* table */
	uint64_t id;           /* of no other space, ever */
	uint64_t start, end;   /* what may be mapped */
	uint64_t tables;       /* below the top one */
	enum map_flags always; /* flags of everything in it */
};

/*
 * The kernel's window, which vmap fills and vunmap empties: of the functions below those that
 * map, unmap, split, merge, clone or destroy refuse it (-EINVAL). aspace_none is nobody's: active
 * where a kernel thread runs.
 */
extern struct aspace kernel_aspace;

/* Boot CPU, after frames_start. */
void aspace_start(void);

/* An empty one; NULL when out of memory. Any context but NMI. */
struct aspace *aspace_create(void);

/* Frees all of it. -EBUSY while a CPU uses it; nobody may begin to. */
int aspace_destroy(struct aspace *aspace);

/*
 * Makes aspace this CPU's. NULL: a kernel thread or the idle loop runs from now on, which
 * does not touch the lower half; the tables stay loaded, and the CPU is not interrupted for
 * the space any more. Interrupts off, any context but NMI; the caller keeps the space alive
 * until the CPU has gone to another one.
 */
void aspace_switch(struct aspace *aspace);

/* The same for the thread that runs, on whichever CPU it goes on. Thread context. */
void aspace_use(struct aspace *aspace);

/* Whose lower half this CPU may touch; NULL for none. */
struct aspace *aspace_current(void);

/*
 * Maps memory of which the caller has a reference, and takes one more to each frame; with
 * MAP_FOREIGN it is not counted. In pages of a level; flags are MAP_WRITE or MAP_EXEC, never both,
 * and the cache's.
 */
int aspace_map(struct aspace *aspace, uint64_t virt, uint64_t phys, uint64_t length,
	       unsigned int level, enum map_flags flags);

/* New zeroed memory, in pages of a level. */
int aspace_populate(struct aspace *aspace, uint64_t virt, uint64_t length, unsigned int level,
		    enum map_flags flags);

/* Large pages that reach over an end are split there. */
int aspace_unmap(struct aspace *aspace, uint64_t virt, uint64_t length);

/* New flags, of MAP_WRITE and MAP_EXEC. What is shared is still copied before it is written. */
int aspace_protect(struct aspace *aspace, uint64_t virt, uint64_t length, enum map_flags flags);

/*
 * Splits the large page at an address into pages of the level below; -EINVAL if it is none. Readers
 * and writers may be at work in it.
 */
int aspace_split(struct aspace *aspace, uint64_t virt);

/*
 * Makes one 2 MB page of the 512 pages there, which must all be mapped with the same flags, be
 * held by nobody else, and be counted, else -EINVAL. Where they are not in a row they are copied.
 * Readers and writers may be at work in them.
 */
int aspace_merge(struct aspace *aspace, uint64_t virt);

/*
 * A copy of a space, in *to: what may be written is shared until one of the two writes; foreign
 * memory stays shared. Other CPUs may use the space meanwhile. 0, -ENOMEM, -EDEADLK, -EINVAL.
 */
int aspace_clone(struct aspace *from, struct aspace **to);

/*
 * Lets an access go on that faulted: what is to be copied before it is written is copied; who
 * only was too early, or remembered too little, tries again. wants is MAP_WRITE, MAP_EXEC or 0.
 * Thread context, interrupts on. 0, -EFAULT if nothing there allows it, -ENOMEM, -EDEADLK.
 */
int aspace_fault(struct aspace *aspace, uint64_t address, enum map_flags wants);

/* The page at an address. */
struct aspace_page {
	uint64_t virt, phys;
	unsigned int level;
	enum map_flags flags; /* MAP_COW: it may be written, after a copy */
};
int aspace_walk(struct aspace *aspace, uint64_t virt, struct aspace_page *page);

#endif

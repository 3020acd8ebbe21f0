/*
 * The oracle for stale translations: CPUs that all use a space and have looked through an address,
 * so that they remember it. After a change each of them must see what is there now.
 */
#ifndef TESTS_KERNEL_CREW_H
#define TESTS_KERNEL_CREW_H

#include <kernel/mm/aspace.h>
#include <lib/cpumask.h>
#include <stdbool.h>
#include <stdint.h>

#define CREW_MAX 64

extern struct cpumask crew; /* this CPU and others, all of them if they are not too many */

/* A new space that the whole crew uses, and free frames are poisoned. NULL: no memory. */
struct aspace *crew_begin(void);

/* The same with four CPUs at most, for tests in which all of them spin: cores may be few. */
struct aspace *crew_begin_few(void);

/* Nobody uses it any more, and all that it held is free again, or the test fails. */
void crew_end(struct aspace *space);

/* All of them use this space from now on; NULL: idle on what they have. */
void crew_use(struct aspace *space);
void crew_one_uses(unsigned int cpu, struct aspace *space);

/* Each reads the word at an address: all must find value. Then each remembers the page. */
void crew_expect(uint64_t address, uint64_t value);

/* Each faults when it reads, or writes, there. */
void crew_expect_fault(uint64_t address);
void crew_expect_read_only(uint64_t address, uint64_t value);

/* The same of every page in a range; page n has first + n in its first word. */
void crew_expect_pages(uint64_t start, uint64_t count, uint64_t first);
void crew_expect_no_pages(uint64_t start, uint64_t count);

/* Writes first + n into the first word of each page of a range, on this CPU. */
void crew_fill(uint64_t start, uint64_t count, uint64_t first);

/* Maps count pages, fills them, and all look. */
void crew_populate(struct aspace *space, uint64_t start, uint64_t count, uint64_t first);

/* One page beside the range at TEST_BASE keeps its tables, where a test does not want them freed. */
void crew_map_neighbour(struct aspace *space);

/* How many interrupts of a vector, and of TLB_FLUSH, a CPU has taken. */
uint64_t crew_taken(unsigned int cpu, unsigned int vector);
uint64_t crew_flushes(unsigned int cpu);

#endif

/*
 * Helpers for the tests of the ways of shootdown: a crew that uses one space, which is changed by one
 * way. Nobody ticks meanwhile, so that the tests say when somebody does.
 */
#ifndef TESTS_KERNEL_RIVAL_H
#define TESTS_KERNEL_RIVAL_H

#include <kernel/mm/aspace.h>
#include <stdbool.h>
#include <stdint.h>
#include <tests/schemes/shootdown.h>

extern struct aspace *rival_space;

/*
 * Puts the scheme to use and makes the space, with a page that keeps the tables of the pages at
 * TEST_BASE; few: with a few CPUs only. False: no memory. After the end all is as before, or the
 * test fails.
 */
bool rival_begin(const struct shootdown_scheme *scheme);
bool rival_begin_few(const struct shootdown_scheme *scheme);
void rival_end(void);

/* Maps pages with first + n in the first word of page n, and lets each CPU remember them. */
void rival_populate(uint64_t start, uint64_t count, uint64_t first);

void rival_unmap(const struct shootdown_scheme *scheme, uint64_t start, uint64_t count);

/* What deferred_scheme would do at a CPU's next tick. */
void rival_tick(unsigned int cpu);

/* All tick once; then nothing is left to wait for. */
void rival_settle(const struct shootdown_scheme *scheme);

/* IPIs of all ways that all CPUs have sent. Nobody may be sending any. */
uint64_t rival_sent(void);

#endif

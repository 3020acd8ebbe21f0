/*
 * Who waits for whom: each CPU publishes what it waits for, so that others can tell
 * when something is stuck. A CPU waits for one thing at a time.
 */
#ifndef KERNEL_SMP_WAITING_H
#define KERNEL_SMP_WAITING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct waiting {
	_Atomic uint32_t target; /* one more than the CPU's index; 0: this CPU does not wait */
	_Atomic uint64_t func;   /* that the target is to run */
	_Atomic uint64_t since;  /* by the waiter's clock_ns */
	_Atomic uint64_t start, pages; /* what is to be flushed; 0 pages: nothing of that kind */
};

#define WAIT_ALL_PAGES UINT64_MAX

/* This CPU begins to wait for cpu to run func; and it is over. Thread context. */
void waiting_begin(unsigned int cpu, uint64_t func);
void waiting_begin_range(unsigned int cpu, uint64_t func, uint64_t start, uint64_t pages);
void waiting_end(void);

/* What a CPU waits for at this moment; false if for nothing. Any context. */
struct wait_seen {
	unsigned int target;
	uint64_t func, since, start, pages;
};
bool waiting_look(unsigned int cpu, struct wait_seen *seen);

/* Writes "never_run" or "flush_range(0x401000, 3 pages)". Any context. Returns text. */
#define WAIT_TEXT 128
const char *waiting_describe(const struct wait_seen *seen, char *text, size_t size);

/*
 * Writes "1 → 3, 0 → 1", or as many as fit "and 7 more", and returns how many CPUs wait. stuck
 * is named first, with those that wait for it. Any context.
 */
unsigned int waiting_format(unsigned int stuck, char *text, size_t size);

#endif

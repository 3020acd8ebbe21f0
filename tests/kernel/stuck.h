/*
 * Stuck CPUs, made on purpose, for the tests of those who notice.
 */
#ifndef TESTS_KERNEL_STUCK_H
#define TESTS_KERNEL_STUCK_H

#include "capture.h"
#include <arch/cpu.h>
#include <arch/time.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define GIVE_UP_NS 10000000000ull

/* Whether one of these has begun and not ended. */
extern atomic_bool deaf;

/*
 * Spins with interrupts off until the console heard what capture_listen_for named, or for
 * GIVE_UP_NS. Calls nothing, so that wherever an NMI finds it, it is in its backtrace.
 */
static inline __attribute__((always_inline)) void spin_deaf_here(void *info)
{
	uint64_t start = cycles(), limit = ns_to_cycles(GIVE_UP_NS);

	(void)info;
	atomic_store(&deaf, true);
	while (!atomic_load(&capture_heard) && cycles() - start < limit)
		cpu_relax();
	atomic_store(&deaf, false);
}

/* The same as a function to call. */
void spin_deaf(void *info);

/* Lets another CPU run such a function until the console heard the text. Whether it began. */
bool make_stuck(unsigned int cpu, void (*func)(void *info), const char *until);

/* The same with spin_deaf. */
bool make_deaf(unsigned int cpu, const char *until);

/* With more CPUs than an emulator has cores, a CPU may stand still for longer. */
uint64_t short_deadline_ns(void);

/* The nth other CPU that is online; MAX_CPUS when there are not so many. */
unsigned int other_cpu(unsigned int nth);

/* Skip the test when there are too few CPUs, no CPU ticks, or no timer can be used at all. */
bool lacks_cpus(unsigned int wanted);
bool lacks_tick(void);
bool lacks_timer(void);

/* Formatted; good for the next seven calls. */
const char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

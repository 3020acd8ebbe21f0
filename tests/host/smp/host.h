/*
 * A machine made of threads: what tests/host/arch promises, and what only tests may do with it.
 */
#ifndef TESTS_HOST_SMP_HOST_H
#define TESTS_HOST_SMP_HOST_H

#include <stdbool.h>
#include <stdint.h>

#define HOST_CPUS 16 /* at most */

/*
 * Makes this thread CPU 0 and starts the others, which then idle. Ends the program if it cannot.
 * The seed is for what the machine itself does at random.
 */
void host_start(unsigned int count, uint64_t seed);

/* CPUs that run: 0 … host_cpus - 1. The next one is listed, but never comes online. */
extern unsigned int host_cpus;

/* What the named test does, and the command that repeats it, for host_fail. Static storage. */
void host_now(const char *test, const char *again);

/*
 * Says what broke, in which test, and how to repeat it, and ends the program with status 1. Any
 * context, from any thread; of several at once one is heard.
 */
void host_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Lets crashes and sanitizers' reports end in host_fail. */
void host_catch_crashes(void);

/* Whether a stall that the kernel reports is what a test wants; else it is a failure. */
void host_expect_stalls(bool expected);
bool host_stalls_are_expected(void);

/* A line as a comment of TAP, torn by nobody. Any context. */
void host_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * A sign of life of this CPU: what it begins to do, with a number that tells it from others of its
 * kind, or just that it lives. Any context.
 */
void host_doing(const char *what, uint64_t number);
void host_alive(void);

/* Whether an NMI comes while a handler runs, as it should; not under ThreadSanitizer. */
bool host_nmi_interrupts_handlers(void);

/* Whether an IPI waits to be taken by a CPU. Not for CPUs: it reads a file. */
bool host_ipi_is_pending(unsigned int cpu, unsigned int vector);

/*
 * From now on the program fails when nobody gives a sign of life for that long, or when a CPU has
 * calls in its queue and no IPI on its way.
 */
void host_watch(unsigned int seconds);

#endif

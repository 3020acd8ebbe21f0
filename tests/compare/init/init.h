/* What the parts of the first program share. One thread, except where it says otherwise. */
#ifndef NUDGE_COMPARE_INIT_H
#define NUDGE_COMPARE_INIT_H

#include <stdbool.h>

/* Writes one line to the kernel's log, which the serial console shows whole. Any thread. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says what failed and why (errno), and ends the machine. Any thread. */
void die(const char *what) __attribute__((noreturn));

/* The value of one of the module's parameters; the module must be loaded. */
const char *module_parameter(const char *name);

/* Puts the calling thread onto one CPU for good. */
void pin(unsigned int cpu);

/* The CPUs that are online. */
unsigned int online_cpus(void);

/* Returns when no other thread of Linux has much to do; ends the machine if that takes too long. */
void wait_for_rest(void);

/* Takes and prints the tlb.* rows that were asked for. */
void tlb_benches(bool (*wanted)(const char *name));

#endif

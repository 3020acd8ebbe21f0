/* What a CPU does when there is nothing to do. */
#ifndef KERNEL_SCHED_IDLE_H
#define KERNEL_SCHED_IDLE_H

/* The idle thread's. Begins with interrupts off. */
void idle_loop(void) __attribute__((noreturn));

/* Chooses how. Boot CPU, once. */
void idle_init(void);

/* How: what idle= chose, or what it came to where the CPU has no MONITOR. Static storage. */
const char *idle_mode(void);

#endif

/*
 * Handing a CPU something to do: a thread of its own there, interrupts on, which may make
 * waited calls. One piece at a time for each CPU. The caller's own CPU does it in place.
 */
#ifndef KERNEL_SCHED_WORK_H
#define KERNEL_SCHED_WORK_H

#include <stdbool.h>

/*
 * Thread context, one CPU at a time. What the caller wrote is visible to func. Returns 0,
 * -ENXIO for a CPU that is not online, -EBUSY, -ENOMEM.
 */
int work_start(unsigned int cpu, void (*func)(void *info), void *info);

/* Whether func has not returned yet. Acquire: what it wrote is visible. */
bool work_busy(unsigned int cpu);

/* Waits until it is done; reports when that takes long. Thread context. */
void work_wait(unsigned int cpu);

/* Both in one. */
int work_run(unsigned int cpu, void (*func)(void *info), void *info);

/* Lets the tick see waits that take long. Boot CPU, before the ticks start. */
void work_init(void);

#endif

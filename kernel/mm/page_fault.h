/*
 * Page faults in the lower half.
 */
#ifndef KERNEL_MM_PAGE_FAULT_H
#define KERNEL_MM_PAGE_FAULT_H

#include <kernel/mm/aspace.h>

/* From here on they are served. Boot CPU. */
void page_fault_start(void);

/*
 * Runs func(info), which stands for a user's code: a fault in the lower half that nobody can
 * serve ends it, with a full report, and the kernel goes on. Returns 0 or -EFAULT. Thread
 * context; func must not be inside anything that has to come to its end. With interrupts or
 * preemption off nothing is ended: such a fault is the kernel's, and a panic.
 */
int user_run(void (*func)(void *info), void *info);

#endif

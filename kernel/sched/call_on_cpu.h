/*
 * Running a function in a thread of another CPU, where it may wait.
 */
#ifndef KERNEL_SCHED_CALL_ON_CPU_H
#define KERNEL_SCHED_CALL_ON_CPU_H

/*
 * Runs func(arg) in a thread that is pinned to cpu, and waits for its end. Thread
 * context. Returns what func returns, or -EINVAL (no func, no such CPU), -ENXIO (it is
 * not online), -ENOMEM, -EDEADLK where nobody may wait.
 */
int smp_call_on_cpu(unsigned int cpu, int (*func)(void *arg), void *arg);

#endif

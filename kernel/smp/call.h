/*
 * Running a function on other CPUs.
 *
 * These are IPIs of low priority: queued, each with what it is to run, and one after the
 * other. What is of high priority carries no state and waits behind no call: stop.h,
 * reschedule.h, nmi.h.
 *
 * What all of them share:
 *
 * The function runs exactly once on each online CPU that the call names, with
 * interrupts off there. It must be fast and must not wait. On the calling CPU
 * itself it runs in place.
 *
 * Order: what the caller wrote before the call is visible to the function; what the
 * function wrote is visible to the caller after a wait. Calls from one CPU to
 * another run in the order in which they were queued, whichever function queued
 * them.
 *
 * Context: thread, or an interrupt handler if wait is false. Not NMI. With wait,
 * interrupts must be on, and no lock may be held that is also taken with
 * interrupts off.
 *
 * Errors are looked at in this order. After any of them nothing was queued.
 *
 *   -EINVAL   a null function or csd, or no such CPU; before the CPUs are counted there is
 *             none but the calling one
 *   -ELOOP    calls to oneself nested deeper than SELF_CALL_DEPTH
 *   -ENXIO    the CPU is not online
 *   -EBUSY    the caller's csd is still in flight
 *   -EDEADLK  wait with interrupts off (warns, once a call site)
 *   -EAGAIN   fewer of this CPU's descriptors are free than the call has targets; with
 *             interrupts on, only after POOL_WAIT_NS
 *
 * After the call was queued, only this:
 *
 *   -ETIMEDOUT  the target of a waited call was stopped for good: the function did
 *               not run, or not to its end, and never will
 */
#ifndef KERNEL_SMP_CALL_H
#define KERNEL_SMP_CALL_H

#include <kernel/smp/csd.h>
#include <lib/cpumask.h>
#include <stdbool.h>

#define SELF_CALL_DEPTH 8
#define POOL_WAIT_NS    10000000ull

/* Runs func(info) on cpu, a whole word, which indexes without being widened first. */
int smp_call_function_single(unsigned long cpu, smp_call_func_t func, void *info, bool wait);

/*
 * Runs csd->func(csd->info) on cpu and does not wait. The csd is the caller's, zeroed
 * before its first use, and must stay until the function runs; from the
 * function's first instruction on it may be used again, there too.
 */
int smp_call_function_single_async(unsigned long cpu, struct csd *csd);

/*
 * Runs func(info) on the first CPU that can take it: this one if it is in the mask,
 * else the nearest online one. -ENXIO if the mask has no CPU online.
 */
int smp_call_function_any(const struct cpumask *mask, smp_call_func_t func, void *info, bool wait);

/* Every online CPU in the mask but this one. An empty mask is no error. */
int smp_call_function_many(const struct cpumask *mask, smp_call_func_t func, void *info, bool wait);

/* Every other online CPU. */
int smp_call_function(smp_call_func_t func, void *info, bool wait);

/* The same with this CPU, where func runs last. */
int on_each_cpu(smp_call_func_t func, void *info, bool wait);
int on_each_cpu_mask(const struct cpumask *mask, smp_call_func_t func, void *info, bool wait);

/*
 * Those of the mask for which wanted(cpu, info) says yes; it is asked on this CPU,
 * once for each, before anything is queued. A null mask means all.
 */
int on_each_cpu_cond_mask(bool (*wanted)(unsigned int cpu, void *info), smp_call_func_t func,
			  void *info, bool wait, const struct cpumask *mask);

/*
 * Returns when every other CPU has left what it was at since the call: it took an interrupt.
 */
int kick_all_cpus_sync(void);

#endif

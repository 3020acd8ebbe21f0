/*
 * The call descriptor: one call on its way to one CPU.
 *
 *   unwaited   FREE ─(sender)─► QUEUED ─(target, before the function)─► FREE
 *   waited     FREE ─(sender)─► QUEUED ─(target)─► RUNNING ─(target)─► FREE
 *                                  └─(who empties a stopped target's queue)
 *                                           └─► CANCELLED ─(sender)─► FREE
 *
 * QUEUED is made before the compare-and-swap that queues. Nobody but the one who
 * may make the next move touches a descriptor: who takes the queue it is in, by one
 * exchange, is the one who may run it, or cancel it if that queue is a stopped CPU's.
 *
 * There are three kinds of them, told apart by who owns the memory:
 *
 *   pool     a ring of each CPU's, for its unwaited calls
 *   wait     a row of each CPU's, for its waited call, which needs one for each target:
 *            a CPU makes one waited call at a time, since a waiter is not preempted
 *            and a function may not wait
 *   caller   the caller's own, for smp_call_function_single_async
 */
#ifndef KERNEL_SMP_CSD_H
#define KERNEL_SMP_CSD_H

#include <assert.h>
#include <lib/llist.h>
#include <stdatomic.h>
#include <stdint.h>

typedef void (*smp_call_func_t)(void *info);

enum csd_state {
	CSD_FREE = 0,
	CSD_QUEUED = 1, /* a bit by which an unwaited one is claimed */
	CSD_RUNNING = 2,
	CSD_CANCELLED = 3,
	CSD_END = 4, /* no call: the end of a pool */
};

struct csd {
	struct llist_node node;
	smp_call_func_t func;
	void *info;
	_Atomic uint16_t state; /* enum csd_state */
	uint16_t waited;        /* for the descriptor's life: it is one of the wait kind */
	uint16_t src, dst;      /* for those who ask who waits for whom; dst if somebody waits */
} __attribute__((aligned(32)));

static_assert(sizeof(struct csd) == 32, "two to a cache line, none across two");

#endif

/*
 * The queue between CPUs, from the sender's side: claiming, queueing, waiting. For the
 * calls in call.c and many.c, and for who must look into it. The states of a descriptor
 * are drawn in csd.h; the target's side is in vectors.c.
 *
 *   sender                                      target
 *   csd ← func, info, state
 *   compare-and-swap into the queue (release) ► exchange takes all (acquire)
 *   if the queue was empty: IPI              ─► CALL_FUNCTION_SINGLE
 *                                               func(info)
 *   state == FREE (acquire)                   ◄ state ← FREE (release)
 *
 * The compare-and-swap decides who owes the IPI: the sender that found the queue
 * empty. Everyone behind it is served by the same drain, since the target takes
 * all with one exchange; if it took before they came, they find it empty again.
 */
#ifndef KERNEL_SMP_QUEUE_H
#define KERNEL_SMP_QUEUE_H

#include <arch/cpu.h>
#include <arch/ipi.h>
#include <kernel/debug/checks.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/csd.h>
#include <kernel/smp/watch.h>

static inline struct csd *csd_of(struct llist_node *node)
{
	return (struct csd *)((char *)node - offsetof(struct csd, node));
}

/* Acquire: pairs with the release that freed it; its fields are ours to write. */
static inline bool csd_is_free(const struct csd *csd)
{
	return atomic_load_explicit(&csd->state, memory_order_acquire) == CSD_FREE;
}

/* Not yet visible to anyone: the compare-and-swap in llist_add publishes it. */
static inline void csd_fill(struct csd *csd, smp_call_func_t func, void *info)
{
	csd->func = func;
	csd->info = info;
	atomic_store_explicit(&csd->state, CSD_QUEUED, memory_order_relaxed);
}

/*
 * Puts a filled descriptor into a CPU's queue. Returns whether the caller owes it an
 * IPI: it does if the queue was empty. Not preempted until that IPI is sent.
 *
 * The release in llist_add makes func, info and state visible to the drain's
 * acquire, and everything the caller wrote before to func.
 */
static inline bool csd_enqueue(struct csd *csd, struct llist_head *queue)
{
	this_cpu->calls_queued++;
	return llist_add(&csd->node, queue);
}

/* The same, and sends what is owed. */
static inline void csd_queue(unsigned long cpu, struct llist_head *queue, struct csd *csd)
{
	if (!csd_enqueue(csd, queue))
		return;
	this_cpu->ipi_sent[CALL_FUNCTION_SINGLE_VECTOR]++;
	arch_send_ipi(cpu, CALL_FUNCTION_SINGLE_VECTOR);
}

/* Runs a call's function. In debug builds it must leave the preempt count as it found it. */
static inline void run_function(smp_call_func_t func, void *info)
{
	uint32_t count = debug_build ? preempt_count() : 0;

	func(info);
	if (debug_build && preempt_count() != count)
		function_left_uneven((uint64_t)func, count);
}

/*
 * Takes count free descriptors of this CPU's pool that stand in a row, and returns the first;
 * NULL if there are none. Interrupts off until all of them are queued.
 */
struct csd *csd_claim(uint32_t count);

/*
 * Waits, bounded, until count are free, in a row or not; with interrupts off in flags, which
 * irq_save gave, not at all. Returns whether they are, and then the first that is looked at
 * next is; else it is counted. Interrupts off in and out.
 */
bool csd_wait_for_pool(uint32_t count, unsigned long flags);

/*
 * The target's side, for a vector other than CALL's: runs all that others queued for this
 * CPU, oldest first. Interrupts off, after the EOI.
 */
void csd_drain(void);

#define CSD_FAST_SPINS 256 /* before the clock is looked at */

/*
 * Waits until the waited calls from csd to end have run: one the row of a call to many, or only
 * one. Interrupts on, preemption off: the descriptors are the CPU's. Acquire: what the
 * functions wrote is visible. Returns 0 or -ETIMEDOUT.
 */
int csd_wait_long(struct csd *csd, struct csd *end);
int csd_wait_long_for(struct csd *csd);

/* Whether it was over soon. */
static inline bool csd_wait_short(struct csd *csd)
{
	if (debug_build)
		lock_order_before_wait("held over a waited call");
	if (csd_is_free(csd))
		return true;
	for (unsigned int spins = CSD_FAST_SPINS; spins; spins--) {
		cpu_relax();
		if (csd_is_free(csd))
			return true;
	}
	return false;
}

static inline int csd_wait(struct csd *csd)
{
	if (__builtin_expect(csd_wait_short(csd), 1))
		return 0;
	return csd_wait_long_for(csd);
}

/* The same for the row from csd to end: what one call is waited for. */
static inline int csd_wait_row(struct csd *csd, struct csd *end)
{
	for (; csd != end; csd++) {
		if (!csd_wait_short(csd))
			return csd_wait_long(csd, end);
	}
	return 0;
}

#endif

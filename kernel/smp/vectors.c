/*
 * What each IPI does on arrival, but for TLB_FLUSH. Called by isr.S, interrupts off, on this CPU.
 *
 * Each acknowledges first and acts then, so that the whole priority class is open
 * again as soon as a function turns to something that lets interrupts in. No IPI is
 * lost either way: while one is in service the next is held in the IRR.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <kernel/smp/queue.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/vectors.h>

/* Somebody waits. RUNNING is for those who ask why that takes so long. */
static inline void run_waited(struct csd *csd)
{
	atomic_store_explicit(&csd->state, CSD_RUNNING, memory_order_relaxed);
	this_cpu->calls_run++;
	run_function(csd->func, csd->info);
	/* Release: what func wrote is visible to the waiter's acquire. */
	atomic_store_explicit(&csd->state, CSD_FREE, memory_order_release);
}

/* Nobody waits. The descriptor is not ours any more once it is FREE, so all is read before. */
static inline void run_unwaited(struct csd *csd)
{
	smp_call_func_t func = csd->func;
	void *info = csd->info;

	this_cpu->calls_run++;
	/* Release: whoever claims it may write; our reads are done. */
	atomic_store_explicit(&csd->state, CSD_FREE, memory_order_release);
	run_function(func, info);
}

static inline void run(struct llist_node *node)
{
	struct csd *csd = csd_of(node);

	if (__builtin_expect(csd->waited, 0))
		run_waited(csd);
	else
		run_unwaited(csd);
}

/*
 * Several: the list is newest first, calls run oldest first. The next one is known before
 * a function runs; two a turn, so that it need not be copied.
 */
static void __attribute__((noinline)) run_all(struct llist_node *a)
{
	struct llist_node *b;

	for (a = llist_reverse_order(a);;) {
		b = a->next;
		run(a);
		if (!b)
			return;
		a = b->next;
		run(b);
		if (!a)
			return;
	}
}

/* Out of line, so that a call that nobody waits for needs no frame. */
static void __attribute__((noinline)) run_one_waited(struct csd *csd)
{
	run_waited(csd);
}

/* Acquire, in llist_del_all: what the senders wrote before their calls is visible. */
static inline void drain(void)
{
	struct llist_node *first = llist_del_all(&this_cpu->self->call_single_queue);

	if (!first)
		return;
	if (first->next)
		run_all(first);
	else if (csd_of(first)->waited)
		run_one_waited(csd_of(first));
	else
		run_unwaited(csd_of(first));
}

IPI_PATH void csd_drain(void)
{
	drain();
}

IPI_PATH void on_call_function_single(void)
{
	arch_ipi_ack();
	this_cpu->irq_count[CALL_FUNCTION_SINGLE_VECTOR]++;
	drain();
}

/* The vector of calls to many; it drains the same queue, so that order is kept. */
IPI_PATH void on_call_function(void)
{
	arch_ipi_ack();
	this_cpu->irq_count[CALL_FUNCTION_VECTOR]++;
	drain();
}

/* No more than a note: the thread is left on the way out, if nothing holds that off. */
void on_reschedule(void)
{
	arch_ipi_ack();
	this_cpu->irq_count[RESCHEDULE_VECTOR]++;
	this_cpu->resched_sent = 0;
	set_need_resched();
}

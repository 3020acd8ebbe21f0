/*
 * Calls to one CPU. The common path calls nothing that returns, so it saves no
 * registers; everything out of the ordinary is out of line.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <kernel/panic.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/queue.h>
#include <lib/errno.h>

/* Inside another function, or the caller's interrupts are off: may go too deep. */
static int __attribute__((noinline)) call_self_nested(smp_call_func_t func, void *info)
{
	if (this_cpu->self_calls >= SELF_CALL_DEPTH)
		return -ELOOP;
	this_cpu->self_calls++;
	run_function(func, info);
	this_cpu->self_calls--;
	return 0;
}

/*
 * In place, with interrupts off as on any other CPU. If they were on, no function
 * is running on this CPU, so this is the first.
 */
static inline int call_self(smp_call_func_t func, void *info, unsigned long flags)
{
	if (__builtin_expect(irqs_disabled_flags(flags), 0))
		return call_self_nested(func, info);
	this_cpu->self_calls = 1;
	run_function(func, info);
	this_cpu->self_calls = 0;
	irq_enable();
	return 0;
}

static int __attribute__((noinline, cold)) refuse(unsigned int cpu, unsigned long flags)
{
	irq_restore(flags);
	return cpu < nr_cpus ? -ENXIO : -EINVAL;
}

/* Not another CPU that is online: this one, or one that cannot be called. */
static int __attribute__((noinline))
call_no_peer(unsigned int cpu, smp_call_func_t func, void *info, unsigned long flags)
{
	if (cpu == this_cpu->index)
		return call_self(func, info, flags);
	return refuse(cpu, flags);
}

/* With interrupts off this CPU could not answer the one it waits for. */
static int __attribute__((noinline, cold)) refuse_deadlock(unsigned long cpu, const void *caller)
{
	warn_once_at(caller, "smp: waited call to CPU %lu with interrupts off", cpu);
	return -EDEADLK;
}

/*
 * The wait descriptors are the CPU's: until this one is free again its thread neither
 * leaves the CPU nor makes room for another's waited call.
 */
static int no_preempt_text call_waited(unsigned long cpu, smp_call_func_t func, void *info,
				       struct llist_head *queue)
{
	struct csd *csd = this_cpu->csd_wait;

	csd_fill(csd, func, info);
	csd->dst = (uint16_t)cpu;
	csd_queue(cpu, queue, csd);
	irq_enable();
	return csd_wait(csd);
}

/* The oldest descriptor is still on its way: look further, or wait a little. */
static int __attribute__((noinline, cold))
search_and_call(unsigned long cpu, smp_call_func_t func, void *info, unsigned long flags)
{
	int error = -EAGAIN;

	if (csd_wait_for_pool(1, flags))
		error = smp_call_function_single(cpu, func, info, false);
	irq_restore(flags);
	return error;
}

int smp_call_function_single(unsigned long cpu, smp_call_func_t func, void *info, bool wait)
{
	struct llist_head *queue;
	unsigned long flags;
	struct csd *csd;

	if (!func || cpu >= MAX_CPUS)
		return -EINVAL;
	flags = irq_save();
	queue = peer_queue(cpu);
	if (!queue)
		return call_no_peer((unsigned int)cpu, func, info, flags);
	if (wait) {
		if (irqs_disabled_flags(flags))
			return refuse_deadlock(cpu, __builtin_return_address(0));
		return call_waited(cpu, func, info, queue);
	}

	/* Calls mostly end in the order in which they began: the oldest is nearly always free. */
	csd = this_cpu->csd_next;
	if (!csd_is_free(csd))
		return search_and_call(cpu, func, info, flags);
	this_cpu->csd_next = csd + 1;
	csd_fill(csd, func, info);
	csd_queue(cpu, queue, csd);
	irq_restore(flags);
	return 0;
}

/*
 * Nothing of this CPU's is claimed, so interrupts are held off only around the send.
 * One that comes between the compare-and-swap and that makes the IPI later, but not
 * lost: whoever queues meanwhile finds the queue full and relies on this one. No other
 * thread comes between them.
 */
int no_preempt_text smp_call_function_single_async(unsigned long cpu, struct csd *csd)
{
	struct llist_head *queue;

	if (!csd || !csd->func || cpu >= MAX_CPUS)
		return -EINVAL;
	queue = peer_queue(cpu);
	if (!queue)
		return call_no_peer((unsigned int)cpu, csd->func, csd->info, irq_save());
	/* Acquire: pairs with the drain's release; the next field is ours to write. */
	if (atomic_fetch_or_explicit(&csd->state, CSD_QUEUED, memory_order_acquire) & CSD_QUEUED)
		return -EBUSY;
	if (csd_enqueue(csd, queue)) {
		unsigned long flags = irq_save();

		this_cpu->ipi_sent[CALL_FUNCTION_SINGLE_VECTOR]++;
		arch_send_ipi(cpu, CALL_FUNCTION_SINGLE_VECTOR);
		irq_restore(flags);
	}
	return 0;
}

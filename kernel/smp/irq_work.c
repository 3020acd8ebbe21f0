/*
 * Two lists for each CPU: one that IRQ_WORK empties, one that waits for the tick.
 * Whoever makes the first not empty owes the IPI, as with calls.
 *
 * An NMI may strike in the middle of all of this: a list is changed by one
 * compare-and-swap, and the self IPI leaves xAPIC's ICR2 alone.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <kernel/debug/recorder.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/irq_work.h>
#include <kernel/time/tick.h>
#include <stddef.h>

static struct irq_work *work_of(struct llist_node *node)
{
	return (struct irq_work *)((char *)node - offsetof(struct irq_work, node));
}

/*
 * Acquire and release: if it is PENDING already, func begins after the exchange that
 * takes PENDING away, and sees what was written before this one. PENDING alone counts
 * as busy, too, so the two steps leave no gap.
 */
static bool claim(struct irq_work *work)
{
	if (atomic_fetch_or_explicit(&work->flags, IRQ_WORK_PENDING, memory_order_acq_rel) &
	    IRQ_WORK_PENDING)
		return false;
	atomic_fetch_add_explicit(&work->flags, IRQ_WORK_BUSY, memory_order_relaxed);
	return true;
}

static bool is_lazy(struct irq_work *work)
{
	return atomic_load_explicit(&work->flags, memory_order_relaxed) & IRQ_WORK_LAZY;
}

static void queue_here(struct irq_work *work)
{
	struct cpu *cpu = this_cpu->self;

	if (is_lazy(work) && tick_is_running()) {
		llist_add(&work->node, &cpu->irq_work_lazy);
	} else if (llist_add(&work->node, &cpu->irq_work_queue)) {
		this_cpu->ipi_sent[IRQ_WORK_VECTOR]++;
		arch_send_ipi_self(IRQ_WORK_VECTOR);
	}
}

/* Whether that CPU ticks is its own business: there nothing is lazy. */
static void queue_there(struct irq_work *work, unsigned int cpu)
{
	if (!llist_add(&work->node, &cpus[cpu]->irq_work_queue))
		return;
	this_cpu->ipi_sent[IRQ_WORK_VECTOR]++;
	arch_send_ipi(cpu, IRQ_WORK_VECTOR);
}

bool irq_work_queue_on(struct irq_work *work, unsigned int cpu)
{
	unsigned long flags = irq_save();
	bool here = cpu == this_cpu->index, possible;

	possible = work && work->func && cpu < nr_cpus && cpu_online(cpu) && (here || !in_nmi()) &&
		   claim(work);
	if (possible && here)
		queue_here(work);
	else if (possible)
		queue_there(work, cpu);
	irq_restore(flags);
	return possible;
}

bool irq_work_queue(struct irq_work *work)
{
	unsigned long flags = irq_save();
	bool queued = irq_work_queue_on(work, this_cpu->index);

	irq_restore(flags);
	return queued;
}

/* Once it is not PENDING, anybody may queue it again, func too: node is not ours then. */
static void run(struct irq_work *work)
{
	atomic_fetch_and_explicit(&work->flags, ~IRQ_WORK_PENDING, memory_order_acq_rel);
	work->func(work);
	/* Release: pairs with irq_work_is_busy. */
	atomic_fetch_sub_explicit(&work->flags, IRQ_WORK_BUSY, memory_order_release);
}

static void run_list(struct llist_node *node)
{
	node = node ? llist_reverse_order(node) : NULL;
	while (node) {
		struct irq_work *work = work_of(node);

		node = node->next;
		run(work);
	}
}

/* Counted between the two: who looks at the queue sees when its items may be others' again. */
IPI_PATH static void on_irq_work(void)
{
	struct llist_node *works;

	recorder_note_taken(this_cpu->irq_regs);
	works = llist_del_all(&this_cpu->self->irq_work_queue);
	this_cpu->irq_work_emptied++;
	run_list(works);
}

static void on_tick(void)
{
	run_list(llist_del_all(&this_cpu->self->irq_work_lazy));
}

void irq_work_init(void)
{
	irq_register(IRQ_WORK_VECTOR, on_irq_work);
	tick_add(TICK_ANY, on_tick);
}

/*
 * The steps of an IPI's way, each by itself, so that it is known what the longer figures are made
 * of. As they do, each holds one reading of the clock, which is step.clock.
 *
 * What concerns one CPU alone is done by CPU 0 to itself, so that nobody else's instructions are in
 * the count: an interrupt waits in its APIC while interrupts are off, and comes with STI.
 */
#include "bench.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/trap.h>
#include <kernel/panic.h>
#include <kernel/sched/work.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/queue.h>
#include <kernel/smp/reschedule.h>
#include <stdatomic.h>

static _Atomic uint64_t stamped;

static uint64_t wait_for_stamp(void)
{
	uint64_t value;

	while (!(value = atomic_exchange_explicit(&stamped, 0, memory_order_acquire)))
		cpu_relax();
	return value;
}

static void stamp(void)
{
	atomic_store_explicit(&stamped, cycles_ordered(), memory_order_release);
}

static void lend_vector(void (*handler)(void))
{
	if (irq_register(EXAMPLE_VECTOR, handler))
		panic("steps_bench: the vector is not free");
}

static void stamps_begin(void)
{
	lend_vector(stamp);
}

static void stamps_end(void)
{
	irq_register(EXAMPLE_VECTOR, NULL);
}

static uint64_t clock(void)
{
	uint64_t start = cycles_ordered();

	return cycles_ordered() - start;
}
BENCH_FEW(step_clock, "step.clock", 1, RECEIVER_HALTED, clock);

static uint64_t icr_write(void)
{
	uint64_t start, ticks;

	irq_disable();
	start = cycles_ordered();
	arch_send_ipi(RECEIVER, EXAMPLE_VECTOR);
	ticks = cycles_ordered() - start;
	irq_enable();
	wait_for_stamp();
	return ticks;
}
BENCH_FEW_BETWEEN(step_icr, "step.icr", 2, RECEIVER_SPINS, icr_write, stamps_begin, stamps_end);

/* The shorthand, or x2APIC's register for it. */
static uint64_t icr_self(void)
{
	uint64_t start, ticks;

	irq_disable();
	start = cycles_ordered();
	arch_send_ipi_self(EXAMPLE_VECTOR);
	ticks = cycles_ordered() - start;
	irq_enable();
	wait_for_stamp();
	return ticks;
}
BENCH_FEW_BETWEEN(step_icr_self, "step.icr.self", 1, RECEIVER_HALTED, icr_self, stamps_begin,
		  stamps_end);

/* Interrupts off: one that waits to be let in. */
static void send_self_and_wait(void)
{
	arch_send_ipi_self(EXAMPLE_VECTOR);
	while (!arch_ipi_pending(EXAMPLE_VECTOR))
		cpu_relax();
}

struct visit {
	uint64_t before, inside, after;
};

/* The instruction behind STI still runs before the interrupt; the first look comes after it. */
static struct visit visit(void)
{
	struct visit visit;

	irq_disable();
	send_self_and_wait();
	visit.before = cycles_ordered();
	asm volatile("sti; nop" : : : "memory");
	visit.inside = wait_for_stamp();
	visit.after = cycles_ordered();
	return visit;
}

static uint64_t entry(void)
{
	struct visit taken = visit();

	return taken.inside - taken.before;
}
BENCH_FEW_BETWEEN(step_entry, "step.entry", 1, RECEIVER_HALTED, entry, stamps_begin, stamps_end);

static uint64_t exit_to_thread(void)
{
	struct visit taken = visit();

	return taken.after - taken.inside;
}
BENCH_FEW_BETWEEN(step_exit, "step.exit", 1, RECEIVER_HALTED, exit_to_thread, stamps_begin,
		  stamps_end);

/* With the interrupt in service, as it is when it counts. */
static bool time_eoi(struct pt_regs *regs)
{
	uint64_t start = cycles_ordered(), ticks;

	(void)regs;
	arch_ipi_ack();
	ticks = cycles_ordered() - start;
	atomic_store_explicit(&stamped, ticks, memory_order_release);
	return true;
}

static void eoi_begin(void)
{
	ipi_set_hook(EXAMPLE_VECTOR, time_eoi);
}

static void eoi_end(void)
{
	ipi_set_hook(EXAMPLE_VECTOR, NULL);
}

static uint64_t eoi(void)
{
	irq_disable();
	send_self_and_wait();
	asm volatile("sti; nop" : : : "memory");
	return wait_for_stamp();
}
BENCH_FEW_BETWEEN(step_eoi, "step.eoi", 1, RECEIVER_HALTED, eoi, eoi_begin, eoi_end);

static void nothing(void *info)
{
	(void)info;
}

/* Into a queue that is nobody's, so that it is the step alone, without the count of calls. */
static uint64_t enqueue(void)
{
	static struct llist_head queue;
	static struct csd csd;
	uint64_t start = cycles_ordered(), ticks;

	csd_fill(&csd, nothing, NULL);
	if (!llist_add(&csd.node, &queue))
		panic("steps_bench: the queue was not empty");
	ticks = cycles_ordered() - start;
	llist_del_all(&queue);
	return ticks;
}
BENCH_FEW(step_enqueue, "step.enqueue", 1, RECEIVER_HALTED, enqueue);

#define ITEMS 64

/* This CPU's own queue, filled and emptied with interrupts off: nobody is owed an IPI. */
static uint64_t time_drain(unsigned int items)
{
	static struct csd csds[ITEMS];
	unsigned long flags = irq_save();
	uint64_t start, ticks;

	for (unsigned int i = 0; i < items; i++) {
		csd_fill(&csds[i], nothing, NULL);
		csd_enqueue(&csds[i], &this_cpu->self->call_single_queue);
	}
	start = cycles_ordered();
	csd_drain();
	ticks = cycles_ordered() - start;
	irq_restore(flags);
	return ticks;
}

static uint64_t drain_one(void)
{
	return time_drain(1);
}
BENCH_FEW(step_drain, "step.drain", 1, RECEIVER_HALTED, drain_one);

/* Of several, what each further one takes. */
static uint64_t drain_each(void)
{
	uint64_t few = time_drain(2), many = time_drain(ITEMS);

	return bench_share(few, many, ITEMS - 2);
}
BENCH_FEW(step_drain_each, "step.drain.each", 1, RECEIVER_HALTED, drain_each);

static atomic_bool ended;

/* What was interrupted goes on, and sees that it was. */
static void look_for_reschedule(void *unused)
{
	uint64_t seen = this_cpu->irq_count[RESCHEDULE_VECTOR];

	(void)unused;
	while (!atomic_load_explicit(&ended, memory_order_relaxed)) {
		cpu_relax();
		if (this_cpu->irq_count[RESCHEDULE_VECTOR] == seen)
			continue;
		seen = this_cpu->irq_count[RESCHEDULE_VECTOR];
		stamp();
	}
}

static void reschedule_begin(void)
{
	atomic_store_explicit(&ended, false, memory_order_relaxed);
	if (work_start(RECEIVER, look_for_reschedule, NULL))
		panic("steps_bench: the receiver is at work");
}

static void reschedule_end(void)
{
	atomic_store_explicit(&ended, true, memory_order_relaxed);
	work_wait(RECEIVER);
}

static uint64_t reschedule(void)
{
	uint64_t start = cycles_ordered();

	smp_send_reschedule(RECEIVER);
	return wait_for_stamp() - start;
}
BENCH_FEW_BETWEEN(step_reschedule, "step.reschedule.oneway", 2, RECEIVER_HALTED, reschedule,
		  reschedule_begin, reschedule_end);

static trap_hook *hook_before;

static bool stamp_in_nmi(struct pt_regs *regs)
{
	(void)regs;
	stamp();
	return true;
}

static void nmi_begin(void)
{
	hook_before = trap_set_hook(TRAP_NMI, stamp_in_nmi);
}

static void nmi_end(void)
{
	trap_set_hook(TRAP_NMI, hook_before);
}

static uint64_t nmi(void)
{
	uint64_t start = cycles_ordered();

	arch_send_nmi(RECEIVER);
	return wait_for_stamp() - start;
}
BENCH_FEW_BETWEEN(step_nmi, "step.nmi.oneway", 2, RECEIVER_SPINS, nmi, nmi_begin, nmi_end);

/*
 * irq_work under torture: queued from threads on any CPU, and pushed by NMIs that
 * strike while their target is at anything at all, a send of its own included.
 */
#include "torture.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <stddef.h>

static struct torture_work *work_of(struct irq_work *work)
{
	return (struct torture_work *)((char *)work - offsetof(struct torture_work, work));
}

static uint32_t runs_of(const struct torture_work *work)
{
	return atomic_load_explicit(&work->runs, memory_order_acquire);
}

/* Runs on the CPU that it was queued on, once for each time. */
static void on_work(struct irq_work *irq_work)
{
	struct torture_work *work = work_of(irq_work);

	if (this_cpu->index != work->cpu || !irqs_disabled())
		torture_broken(RULE_IRQ_WORK, NULL, "work for CPU %u ran here, interrupts %s",
			       work->cpu, irqs_disabled() ? "off" : "on");
	if (runs_of(work) + 1 != work->queued)
		torture_broken(RULE_IRQ_WORK, NULL,
			       "work was queued %u times, and runs for the %u. time", work->queued,
			       runs_of(work) + 1);
	/* Release: who finds that it ran may queue it again. */
	atomic_fetch_add_explicit(&work->runs, 1, memory_order_release);
}

/* What NMIs pushed until it began is served; what they push from now on makes it run again. */
static void on_nmi_work(struct irq_work *irq_work)
{
	struct sender *here = torture_senders[this_cpu->index];

	if (&here->nmi_work != irq_work)
		torture_broken(RULE_IRQ_WORK, NULL, "another CPU's work ran here");
	atomic_store_explicit(&here->nmis_served,
			      atomic_load_explicit(&here->nmis, memory_order_relaxed),
			      memory_order_release);
}

static bool on_nmi(struct pt_regs *regs)
{
	struct sender *here = torture_senders[this_cpu->index];

	(void)regs;
	if (!here)
		return false;
	atomic_fetch_add_explicit(&here->nmis, 1, memory_order_relaxed);
	irq_work_queue(&here->nmi_work);
	return true;
}

int torture_send_nmi(struct sender *sender, unsigned int cpu)
{
	atomic_fetch_add_explicit(&sender->nmis_sent, 1, memory_order_relaxed);
	arch_send_nmi(cpu);
	return 0;
}

static bool in_time(uint64_t start)
{
	return (int64_t)(clock_ns() - start) < (int64_t)torture_patience_ns();
}

static void settle_work(struct torture_work *work)
{
	uint64_t start = clock_ns();

	while ((runs_of(work) != work->queued || irq_work_is_busy(&work->work)) && in_time(start))
		cpu_relax();
	if (runs_of(work) != work->queued || irq_work_is_busy(&work->work))
		torture_broken(RULE_IRQ_WORK, NULL, "work for CPU %u was queued %u times, ran %u",
			       work->cpu, work->queued, runs_of(work));
}

void torture_prepare_work(struct sender *sender, unsigned int cpu)
{
	struct torture_work *work = &sender->works[++sender->next_work % TORTURE_WORKS];

	settle_work(work);
	work->cpu = cpu;
}

int torture_queue_work(struct sender *sender)
{
	struct torture_work *work = &sender->works[sender->next_work % TORTURE_WORKS];

	work->queued++;
	if (irq_work_queue_on(&work->work, work->cpu))
		return 0;
	torture_broken(RULE_IRQ_WORK, NULL, "work for CPU %u could not be queued", work->cpu);
	return 0;
}

static bool is_served(const struct sender *sender)
{
	return atomic_load_explicit(&sender->nmis_served, memory_order_acquire) ==
	       atomic_load_explicit(&sender->nmis, memory_order_relaxed);
}

void torture_settle_works(struct sender *sender)
{
	uint64_t start = clock_ns();

	for (unsigned int i = 0; i < TORTURE_WORKS; i++)
		settle_work(&sender->works[i]);
	while (!is_served(sender) && in_time(start))
		cpu_relax();
	if (!is_served(sender))
		torture_broken(RULE_IRQ_WORK, NULL, "what an NMI pushed on CPU %u never ran",
			       sender->cpu);
}

/* NMIs merge like other interrupts: fewer may come than were sent, but not none. */
void torture_works_close(void)
{
	uint64_t sent = 0, taken = 0;

	for_each_cpu(cpu, &torture_online) {
		struct sender *sender = torture_senders[cpu];

		torture_settle_works(sender);
		sent += atomic_load_explicit(&sender->nmis_sent, memory_order_relaxed);
		taken += atomic_load_explicit(&sender->nmis, memory_order_relaxed);
	}
	if (taken > sent || (sent && !taken))
		torture_broken(RULE_IRQ_WORK, NULL, "%lu NMIs were sent, %lu came", sent, taken);
}

void torture_works_init(struct sender *sender)
{
	for (unsigned int i = 0; i < TORTURE_WORKS; i++)
		sender->works[i].work.func = on_work;
	sender->nmi_work.func = on_nmi_work;
}

void torture_works_start(void)
{
	trap_set_hook(TRAP_NMI, on_nmi);
}

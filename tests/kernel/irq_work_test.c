/*
 * irq_work: from every context, on every CPU, exactly once for each queueing.
 */
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/irq_work.h>
#include <kernel/smp/watch.h>
#include <kernel/sched/work.h>
#include <kernel/time/tick.h>

static atomic_uint runs, ran_on;
static atomic_bool irqs_were_off;

static void count(struct irq_work *work)
{
	(void)work;
	atomic_store(&ran_on, this_cpu->index);
	atomic_store(&irqs_were_off, irqs_disabled());
	atomic_fetch_add(&runs, 1);
}

TEST(irq_work, runs_here)
{
	struct irq_work work = { .func = count };

	atomic_store(&runs, 0);
	EXPECT(!irq_work_is_busy(&work));
	EXPECT(irq_work_queue(&work));
	EXPECT(WAIT_UNTIL(atomic_load(&runs) == 1));
	EXPECT_EQ(atomic_load(&ran_on), this_cpu->index);
	EXPECT(atomic_load(&irqs_were_off));
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&work)));
}

TEST(irq_work, runs_on_each)
{
	for_each_cpu(cpu, &cpu_online_mask) {
		struct irq_work work = { .func = count };

		atomic_store(&runs, 0);
		EXPECT(irq_work_queue_on(&work, cpu));
		EXPECT(WAIT_UNTIL(!irq_work_is_busy(&work)));
		EXPECT_EQ(atomic_load(&runs), 1);
		EXPECT_EQ(atomic_load(&ran_on), cpu);
	}
}

TEST(irq_work, in_flight_is_not_queued_twice)
{
	struct irq_work work = { .func = count };

	atomic_store(&runs, 0);
	irq_disable();
	EXPECT(irq_work_queue(&work));
	EXPECT(!irq_work_queue(&work));
	EXPECT(!irq_work_queue_on(&work, this_cpu->index));
	EXPECT(irq_work_is_busy(&work));
	EXPECT_EQ(atomic_load(&runs), 0);
	irq_enable();
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&work)));
	EXPECT_EQ(atomic_load(&runs), 1);
}

TEST(irq_work, refuses)
{
	struct irq_work work = { .func = count }, empty = { 0 };
	unsigned int cpu = other_cpu(1);

	atomic_store(&runs, 0);
	EXPECT(!irq_work_queue(NULL));
	EXPECT(!irq_work_queue(&empty));
	EXPECT(!irq_work_queue_on(&work, nr_cpus));
	EXPECT(!irq_work_queue_on(&work, ~0u));
	if (cpu < MAX_CPUS) {
		cpu_set_online(cpu, false);
		EXPECT(!irq_work_queue_on(&work, cpu));
		cpu_set_online(cpu, true);
	}
	EXPECT(!irq_work_is_busy(&work) && !irq_work_is_busy(&empty));
	EXPECT_EQ(atomic_load(&runs), 0);
}

#define MANY 20
static struct irq_work many[MANY];
static unsigned int order[MANY];
static atomic_uint ordered;

static void note_order(struct irq_work *work)
{
	order[atomic_load(&ordered)] = (unsigned int)(work - many);
	atomic_fetch_add(&ordered, 1);
}

/* One IPI for all of them, and in the order in which they came. */
TEST(irq_work, order_is_kept)
{
	uint64_t sent = this_cpu->ipi_sent[IRQ_WORK_VECTOR];

	atomic_store(&ordered, 0);
	irq_disable();
	for (unsigned int i = 0; i < MANY; i++) {
		many[i] = (struct irq_work){ .func = note_order };
		EXPECT(irq_work_queue(&many[i]));
	}
	irq_enable();
	REQUIRE(WAIT_UNTIL(atomic_load(&ordered) == MANY));
	for (unsigned int i = 0; i < MANY; i++)
		EXPECT_EQ(order[i], i);
	EXPECT_EQ(this_cpu->ipi_sent[IRQ_WORK_VECTOR] - sent, 1);
}

static void count_and_again(struct irq_work *work)
{
	if (atomic_fetch_add(&runs, 1) < 4)
		EXPECT(irq_work_queue(work));
}

TEST(irq_work, may_queue_itself_again)
{
	struct irq_work work = { .func = count_and_again };

	atomic_store(&runs, 0);
	EXPECT(irq_work_queue(&work));
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&work)));
	EXPECT_EQ(atomic_load(&runs), 5);
}

static struct irq_work from_nmi = { .func = count };
static unsigned int nmi_other;
static atomic_uint nmi_hits, nmi_queued, nmi_queued_there;

static bool queue_in_nmi(struct pt_regs *regs)
{
	(void)regs;
	atomic_fetch_add(&nmi_queued, irq_work_queue(&from_nmi));
	if (nmi_other < MAX_CPUS)
		atomic_fetch_add(&nmi_queued_there, irq_work_queue_on(&many[0], nmi_other));
	atomic_fetch_add(&nmi_hits, 1);
	return true;
}

/* With interrupts off it waits; two NMIs before it ran are one run. Not to other CPUs. */
TEST(irq_work, from_nmi)
{
	trap_hook *before = trap_set_hook(TRAP_NMI, queue_in_nmi);

	nmi_other = other_cpu(1);
	many[0] = (struct irq_work){ .func = count };
	atomic_store(&runs, 0);
	atomic_store(&nmi_hits, 0);
	atomic_store(&nmi_queued, 0);
	atomic_store(&nmi_queued_there, 0);
	irq_disable();
	for (unsigned int i = 1; i <= 2; i++) {
		arch_send_nmi_self();
		EXPECT(WAIT_UNTIL(atomic_load(&nmi_hits) == i));
	}
	EXPECT_EQ(atomic_load(&runs), 0);
	irq_enable();
	EXPECT(WAIT_UNTIL(atomic_load(&runs) == 1));
	trap_set_hook(TRAP_NMI, before);
	EXPECT_EQ(atomic_load(&nmi_queued), 1);
	EXPECT_EQ(atomic_load(&nmi_queued_there), 0);
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&from_nmi)));
}

/* xAPIC's ICR is two registers: an NMI's self IPI between them must not be seen. */
TEST(irq_work, keeps_icr2)
{
	struct irq_work work = { .func = count };

	if (apic_x2) {
		test_skip("x2APIC's ICR is one register");
		return;
	}
	atomic_store(&runs, 0);
	irq_disable();
	*xapic_register(APIC_ICR2) = 0x5a000000;
	EXPECT(irq_work_queue(&work));
	EXPECT_EQ(*xapic_register(APIC_ICR2), 0x5a000000);
	irq_enable();
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&work)));
	EXPECT_EQ(atomic_load(&runs), 1);
}

/* It does not wait for ticks that do not come any more. */
TEST(irq_work, lazy_gets_the_last_tick)
{
	static struct irq_work last = { .func = count, .flags = IRQ_WORK_LAZY };

	if (lacks_tick())
		return;
	EXPECT(irq_work_queue(&last));
	tick_suspend();
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&last)));
	tick_resume();
}

/* A lazy one sends nothing and runs at the tick; without a tick it is like any other. */
TEST(irq_work, lazy_waits_for_the_tick)
{
	struct irq_work lazy = { .func = count, .flags = IRQ_WORK_LAZY };
	uint64_t sent = this_cpu->ipi_sent[IRQ_WORK_VECTOR];

	if (lacks_tick())
		return;
	atomic_store(&runs, 0);
	irq_disable();
	EXPECT(irq_work_queue(&lazy));
	EXPECT(!irq_work_queue(&lazy));
	EXPECT_EQ(this_cpu->ipi_sent[IRQ_WORK_VECTOR], sent);
	irq_enable();
	tick_set_period(20000000);
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&lazy)));
	EXPECT_EQ(atomic_load(&runs), 1);
	EXPECT_EQ(this_cpu->ipi_sent[IRQ_WORK_VECTOR], sent);
	tick_suspend();
	EXPECT(irq_work_queue(&lazy));
	EXPECT_EQ(this_cpu->ipi_sent[IRQ_WORK_VECTOR], sent + 1);
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&lazy)));
	EXPECT_EQ(atomic_load(&runs), 2);
	tick_resume();
	watch_set_deadline_ns(0);
}

#define STORM 50
static atomic_uint storm_runs, storm_queued;

static void count_storm(struct irq_work *work)
{
	(void)work;
	atomic_fetch_add(&storm_runs, 1);
}

/* One work for all CPUs: whoever gets it queued owns that run. */
static struct irq_work shared = { .func = count_storm };

static void storm(void *info)
{
	unsigned int to = this_cpu->index;

	(void)info;
	for (unsigned int i = 0; i < STORM; i++) {
		to = cpumask_next(&cpu_online_mask, to + 1);
		if (to == MAX_CPUS)
			to = 0;
		atomic_fetch_add(&storm_queued, irq_work_queue_on(&shared, to));
		atomic_fetch_add(&storm_queued, irq_work_queue(&shared));
	}
}

TEST(irq_work, each_queueing_is_one_run)
{
	atomic_store(&storm_runs, 0);
	atomic_store(&storm_queued, 0);
	for_each_cpu(cpu, &cpu_online_mask) {
		if (cpu != this_cpu->index)
			EXPECT_EQ(work_start(cpu, storm, NULL), 0);
	}
	storm(NULL);
	for_each_cpu(cpu, &cpu_online_mask)
		work_wait(cpu);
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&shared)));
	EXPECT(atomic_load(&storm_queued) > 0);
	EXPECT_EQ(atomic_load(&storm_runs), atomic_load(&storm_queued));
}

static atomic_uint lingering;
static atomic_bool let_go;

/* The first of its runs lasts until it is let go. */
static void linger(struct irq_work *work)
{
	(void)work;
	if (!atomic_fetch_add(&lingering, 1))
		EXPECT(WAIT_UNTIL(atomic_load(&let_go)));
}

/* Queued again while it runs, and on another CPU: the short run does not end the long one. */
TEST(irq_work, busy_until_both_of_its_runs_are_done)
{
	static struct irq_work work = { .func = linger };
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	atomic_store(&lingering, 0);
	atomic_store(&let_go, false);
	EXPECT(irq_work_queue_on(&work, cpu));
	EXPECT(WAIT_UNTIL(atomic_load(&lingering) == 1));
	EXPECT(irq_work_queue(&work));
	EXPECT(WAIT_UNTIL(atomic_load(&lingering) == 2));
	EXPECT(irq_work_is_busy(&work));
	atomic_store(&let_go, true);
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&work)));
}

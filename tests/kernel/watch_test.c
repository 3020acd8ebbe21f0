/*
 * CPUs that are stuck: what the report says, not only that there is one; and that it
 * helps where help is possible.
 *
 * Who reports is fixed by who is kept from it: a waiter is alone while no CPU ticks.
 */
#include "capture.h"
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/irq_work.h>
#include <kernel/smp/nmi.h>
#include <kernel/smp/patience.h>
#include <kernel/smp/queue.h>
#include <kernel/smp/stall.h>
#include <kernel/smp/watch.h>
#include <kernel/sched/work.h>
#include <lib/printf.h>

static atomic_uint runs;

static void count_run(void *info)
{
	(void)info;
	atomic_fetch_add(&runs, 1);
}

static void begin(bool ticking)
{
	watch_set_deadline_ns(short_deadline_ns());
	if (!ticking)
		tick_suspend();
	atomic_store(&runs, 0);
	capture_start();
}

static void end(bool ticking)
{
	capture_end();
	if (!ticking)
		tick_resume();
	watch_set_deadline_ns(0);
}

TEST(watch, patience)
{
	struct patience patience = patience_begin(1000, 100);

	EXPECT(!patience_over(&patience, 1000) && !patience_over(&patience, 1100));
	EXPECT(patience_over(&patience, 1101));
	EXPECT(!patience_over(&patience, 1101) && !patience_over(&patience, 1202));
	EXPECT(patience_over(&patience, 1203));
	EXPECT(!patience_over(&patience, 1406));
	patience_again(&patience);
	EXPECT(patience_over(&patience, 1406));
	patience = patience_begin(1000, 100);
	EXPECT(patience_over(&patience, 1900) && !patience_over(&patience, 2800));
	EXPECT(patience_over(&patience, 2801));
}

TEST(watch, a_clock_that_ran_backwards_blames_nobody)
{
	struct patience patience = patience_begin(5000, 100);

	EXPECT(!patience_over(&patience, 10));
	EXPECT(!patience_over(&patience, 110));
	EXPECT(patience_over(&patience, 111));
	patience = patience_begin(UINT64_MAX - 50, 100);
	EXPECT(!patience_over(&patience, 49));
	EXPECT(patience_over(&patience, 50));
}

/* The vector waits in the target's IRR: it does not take interrupts. */
TEST(watch, call_to_a_deaf_cpu)
{
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	begin(false);
	EXPECT(make_deaf(cpu, "STALL: "));
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), 0);
	end(false);
	EXPECT_EQ(atomic_load(&runs), 1);
	EXPECT(capture_has(text("STALL: CPU %u waits ", this_cpu->index),
			   text("for CPU %u to run count_run, called from watch_call_to_a_deaf_cpu",
				cpu),
			   text("on CPU %u CALL_FUNCTION_SINGLE is pending (IRR)", cpu),
			   "interrupts off, in spin_deaf+", "     isr_call_function_single",
			   text("STALL over: CPU %u ran count_run for CPU %u, unstuck after ", cpu,
				this_cpu->index)));
	EXPECT(!capture_find(NULL, "again"));
}

static void take_three_deadlines(void *info)
{
	uint64_t start = clock_ns();

	(void)info;
	while (clock_ns() - start < 3 * stall_deadline_ns())
		cpu_relax();
}

/* Somebody else has the snapshots all the time: what was not reported is not over, either. */
TEST(watch, not_over_without_a_report)
{
	if (lacks_cpus(2))
		return;
	begin(false);
	EXPECT(WAIT_UNTIL(nmi_try_begin()));
	EXPECT_EQ(smp_call_function_single(other_cpu(1), take_three_deadlines, NULL, true), 0);
	nmi_end();
	end(false);
	EXPECT(!capture_find(NULL, "STALL"));
}

/* The call was taken and does not end: nothing is lost, and nothing is sent again. */
TEST(watch, function_that_does_not_end)
{
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	begin(false);
	capture_listen_for("STALL: ");
	EXPECT_EQ(smp_call_function_single(cpu, spin_deaf, NULL, true), 0);
	end(false);
	EXPECT(capture_has(text("STALL: CPU %u waits ", this_cpu->index),
			   text("for CPU %u to finish spin_deaf, called from "
				"watch_function_that_does_not_end",
				cpu),
			   "CALL_FUNCTION_SINGLE and CALL_FUNCTION are absent (IRR and ISR), the "
			   "queue is empty",
			   "in spin_deaf+", "unstuck after"));
	EXPECT(!capture_find(NULL, "again"));
}

/* A waited call as if its IPI had been lost on its way. */
static void call_without_ipi(unsigned int cpu)
{
	struct csd *csd = this_cpu->csd_wait;

	irq_disable();
	csd_fill(csd, count_run, NULL);
	csd->dst = (uint16_t)cpu;
	EXPECT(csd_enqueue(csd, peer_queue(cpu)));
	irq_enable();
	EXPECT_EQ(csd_wait(csd), 0);
}

TEST(watch, call_whose_ipi_was_lost)
{
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	begin(false);
	call_without_ipi(cpu);
	end(false);
	EXPECT_EQ(atomic_load(&runs), 1);
	EXPECT(capture_has(text("STALL: CPU %u waits ", this_cpu->index),
			   text("on CPU %u CALL_FUNCTION_SINGLE and CALL_FUNCTION are absent "
				"(IRR and ISR), the queue is not empty, interrupts %s",
				cpu, polls() ? "" : "on, halted in idle_loop"),
			   text("CALL_FUNCTION_SINGLE is sent to CPU %u again", cpu),
			   "unstuck after"));
}

/* Looks like a handler that has acknowledged its IPI and comes to the queue next. */
IPI_PATH static void spin_before_queue(void *info)
{
	spin_deaf_here(info);
}

/* An IPI that was just taken is not lost, though the APIC does not show it any more. */
TEST(watch, call_about_to_be_taken)
{
	unsigned int cpu = other_cpu(1);
	const char *next, *again;

	if (lacks_cpus(2))
		return;
	begin(false);
	EXPECT(make_stuck(cpu, spin_before_queue, "the queue comes next"));
	call_without_ipi(cpu);
	end(false);
	EXPECT_EQ(atomic_load(&runs), 1);
	next = capture_find(NULL, text("on CPU %u the IPI is acknowledged, and the "
				       "queue comes next, interrupts off, in spin_before_queue",
				       cpu));
	again = capture_find(NULL, "again");
	EXPECT(next && (!again || next < again));
}

static bool irqs_were_on;

static void wait_for_deaf(void *cpu)
{
	smp_call_function_single(*(unsigned int *)cpu, count_run, NULL, true);
	irqs_were_on = !irqs_disabled();
}

/* This CPU waits for a second, which waits for a third, which is deaf. */
TEST(watch, graph_of_waits)
{
	unsigned int second = other_cpu(1), third = other_cpu(2);
	char both[48];

	if (lacks_cpus(3))
		return;
	begin(false);
	snprintf(both, sizeof(both), "  waits: %u → %u, %u → %u\n", second, third, this_cpu->index,
		 second);
	EXPECT(make_deaf(third, both));
	EXPECT_EQ(work_run(second, wait_for_deaf, &third), 0);
	end(false);
	EXPECT(irqs_were_on);
	EXPECT(capture_has(text("STALL: CPU %u waits ", second),
			   text("for CPU %u to run count_run, called from wait_for_deaf", third),
			   both, "unstuck after"));
}

/*
 * Two that wait for the same CPU are one stall, told by one of them until it is over: if
 * both reported, then one after the other.
 */
TEST(watch, one_report_for_all_who_wait)
{
	unsigned int second = other_cpu(1), third = other_cpu(2);
	const char *here, *there, *later, *over;
	char both[32];

	if (lacks_cpus(3))
		return;
	begin(false);
	snprintf(both, sizeof(both), "  waits: %u → %u, %u → %u\n", this_cpu->index, third, second,
		 third);
	EXPECT(make_deaf(third, both));
	EXPECT_EQ(work_start(second, wait_for_deaf, &third), 0);
	EXPECT_EQ(smp_call_function_single(third, count_run, NULL, true), 0);
	work_wait(second);
	end(false);
	EXPECT_EQ(atomic_load(&runs), 2);
	EXPECT(capture_find(NULL, both));
	here = capture_find(NULL, text("STALL: CPU %u waits", this_cpu->index));
	there = capture_find(NULL, text("STALL: CPU %u waits", second));
	REQUIRE(here || there);
	later = here > there ? here : there;
	over = capture_find(NULL, "STALL over");
	REQUIRE(over);
	EXPECT(!here || !there || over < later);
}

static struct csd lost = { .func = count_run };

/* Puts a call into a queue, and forgets the IPI. */
static void lose_call(unsigned int cpu)
{
	irq_disable();
	lost.src = (uint16_t)this_cpu->index;
	csd_fill(&lost, count_run, NULL);
	EXPECT(csd_enqueue(&lost, peer_queue(cpu)));
	irq_enable();
}

/* Nobody waits: the tick of another CPU finds it. */
TEST(watch, queue_that_nobody_empties)
{
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2) || lacks_tick())
		return;
	begin(true);
	lose_call(cpu);
	EXPECT(WAIT_UNTIL(capture_find(NULL, text("STALL over: CPU %u ", cpu))));
	end(true);
	EXPECT_EQ(atomic_load(&runs), 1);
	EXPECT(capture_has(text("STALL: CPU %u has not emptied its call queue for ", cpu),
			   text("(1 in it, the oldest count_run from CPU %u), seen by CPU ",
				this_cpu->index),
			   text("on CPU %u CALL_FUNCTION_SINGLE and CALL_FUNCTION are absent "
				"(IRR and ISR), the queue is not empty",
				cpu),
			   text("CALL_FUNCTION_SINGLE is sent to CPU %u again", cpu),
			   text("STALL over: CPU %u emptied its call queue, unstuck after ", cpu)));
}

/* Its watcher is deaf itself: the one before takes over, and says who is to blame. */
TEST(watch, watcher_that_is_deaf)
{
	unsigned int watcher = other_cpu(1), cpu = other_cpu(2);

	if (lacks_cpus(3) || lacks_tick())
		return;
	begin(true);
	EXPECT(make_deaf(watcher, "STALL over"));
	lose_call(cpu);
	EXPECT(WAIT_UNTIL(capture_find(NULL, text("STALL over: CPU %u ", cpu))));
	EXPECT(WAIT_UNTIL(!atomic_load(&deaf)));
	end(true);
	EXPECT(capture_has(text("STALL: CPU %u has not emptied its call queue for ", cpu),
			   "seen by CPU ", text("is sent to CPU %u again", cpu)));
	EXPECT(!capture_find(NULL, text("seen by CPU %u\n", watcher)));
}

/* Interrupts that were off for longer than the tick's period are told with their age. */
TEST(watch, queue_of_a_deaf_cpu)
{
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2) || lacks_tick())
		return;
	begin(true);
	EXPECT(make_deaf(cpu, "STALL: "));
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, false), 0);
	EXPECT(WAIT_UNTIL(capture_find(NULL, text("STALL over: CPU %u ", cpu))));
	end(true);
	EXPECT_EQ(atomic_load(&runs), 1);
	EXPECT(capture_has(text("STALL: CPU %u has not emptied its call queue for ", cpu),
			   text("(1 in it, the oldest count_run from CPU %u)", this_cpu->index),
			   "CALL_FUNCTION_SINGLE is pending (IRR), interrupts off for at least ",
			   "in spin_deaf+", "STALL over"));
	EXPECT(!capture_find(NULL, "again"));
}

static atomic_uint works;

static void count_work(struct irq_work *work)
{
	(void)work;
	atomic_fetch_add(&works, 1);
}

TEST(watch, irq_work_whose_ipi_was_lost)
{
	static struct irq_work work = { .func = count_work };
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2) || lacks_tick())
		return;
	begin(true);
	atomic_store(&works, 0);
	atomic_store(&work.flags, IRQ_WORK_PENDING | IRQ_WORK_BUSY);
	EXPECT(llist_add(&work.node, &cpus[cpu]->irq_work_queue));
	EXPECT(WAIT_UNTIL(capture_find(NULL, text("STALL over: CPU %u ", cpu))));
	end(true);
	EXPECT_EQ(atomic_load(&works), 1);
	EXPECT(capture_has(text("STALL: CPU %u has not emptied its irq_work queue for ", cpu),
			   "(1 in it, the oldest count_work)", "IRQ_WORK is absent",
			   text("IRQ_WORK is sent to CPU %u again", cpu), "unstuck after"));
}

static void spin_for_700_ms(void *info)
{
	uint64_t start = cycles(), limit = ns_to_cycles(700000000);

	(void)info;
	while (cycles() - start < limit)
		cpu_relax();
}

static atomic_bool nmi_came;

static bool spin_nmi_came(struct pt_regs *regs)
{
	(void)regs;
	atomic_store(&nmi_came, true);
	spin_deaf(NULL);
	return true;
}

/* It takes its time: what a CPU is given to answer. */
TEST(deliberate, stall_without_answer)
{
	trap_hook *before = trap_set_hook(TRAP_NMI, spin_nmi_came);
	unsigned int cpu = other_cpu(1);

	begin(false);
	capture_listen_for("did not answer the NMI");
	arch_send_nmi(cpu);
	EXPECT(WAIT_UNTIL(atomic_load(&nmi_came)));
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), 0);
	end(false);
	trap_set_hook(TRAP_NMI, before);
	EXPECT(capture_has("STALL: ", text("CPU %u did not answer the NMI", cpu),
			   text("is sent to CPU %u again", cpu), "unstuck after"));
}

/* With stall_ms= below that; the log tells whether it was heeded. */
TEST(deliberate, stall)
{
	EXPECT_EQ(smp_call_function_single(other_cpu(1), spin_for_700_ms, NULL, true), 0);
}

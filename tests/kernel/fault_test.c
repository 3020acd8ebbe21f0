/*
 * Faults on purpose: each kind is either recovered from or reported, and no call is
 * lost or run twice.
 */
#include "capture.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/time.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/fault.h>
#include <kernel/smp/irq_work.h>
#include <kernel/smp/stall.h>
#include <kernel/smp/watch.h>
#include <kernel/sched/work.h>
#include <kernel/time/tick.h>
#include <lib/errno.h>

#define CALLS 40

static atomic_uint runs;

static void count_run(void *info)
{
	(void)info;
	atomic_fetch_add(&runs, 1);
}

/*
 * Whether every interrupt of the calls and of their doubles was taken. A double is counted
 * before the interrupt that makes it, so of the two the interrupts are read first.
 */
static bool all_taken(unsigned int cpu, uint64_t taken_before, uint64_t expected)
{
	const volatile uint64_t *count = &cpus[cpu]->irq_count[CALL_FUNCTION_SINGLE_VECTOR];
	uint64_t taken = *count - taken_before;

	atomic_thread_fence(memory_order_acquire);
	return taken == expected + fault_count(FAULT_DUP);
}

/*
 * Nobody else sends meanwhile, so nothing is merged: each call makes one interrupt, and
 * each doubling one more, which may come after the call is done.
 */
TEST(fault, doubled_ipis_run_nothing_twice)
{
	unsigned int cpu = other_cpu(1);
	uint64_t doubled = fault_count(FAULT_DUP), taken;

	if (lacks_cpus(2))
		return;
	taken = cpus[cpu]->irq_count[CALL_FUNCTION_SINGLE_VECTOR];
	atomic_store(&runs, 0);
	EXPECT_EQ(fault_set(FAULT_DUP, CALL_FUNCTION_SINGLE_VECTOR, 500), 0);
	for (unsigned int calls = 1; calls <= CALLS; calls++) {
		EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), 0);
		EXPECT(WAIT_UNTIL(all_taken(cpu, taken, calls - doubled)));
	}
	fault_set(FAULT_DUP, CALL_FUNCTION_SINGLE_VECTOR, 0);
	EXPECT_EQ(atomic_load(&runs), CALLS);
	EXPECT(fault_count(FAULT_DUP) > doubled);
}

static void call_times(unsigned int cpu, unsigned int calls)
{
	atomic_store(&runs, 0);
	for (unsigned int i = 0; i < calls; i++)
		EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), 0);
	EXPECT_EQ(atomic_load(&runs), calls);
}

static void call_often(unsigned int cpu)
{
	call_times(cpu, CALLS);
}

TEST(fault, late_ipis_lose_nothing)
{
	unsigned int cpu = other_cpu(1);
	uint64_t before = fault_count(FAULT_DELAY);

	if (lacks_cpus(2))
		return;
	EXPECT_EQ(fault_set(FAULT_DELAY, CALL_FUNCTION_SINGLE_VECTOR, 1000), 0);
	call_often(cpu);
	fault_set(FAULT_DELAY, CALL_FUNCTION_SINGLE_VECTOR, 0);
	EXPECT_EQ(fault_count(FAULT_DELAY) - before, CALLS);
}

/* Nothing waits for it, and it must run all the same: the waiter sends it again. */
TEST(fault, lost_ipis_are_told_and_sent_again)
{
	unsigned int cpu = other_cpu(1), me = this_cpu->index;
	uint64_t before = fault_count(FAULT_DROP);

	if (lacks_cpus(2))
		return;
	watch_set_deadline_ns(short_deadline_ns());
	tick_suspend();
	capture_start();
	atomic_store(&runs, 0);
	EXPECT_EQ(fault_set(FAULT_DROP, CALL_FUNCTION_SINGLE_VECTOR, 1000), 0);
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, false), 0);
	EXPECT(WAIT_UNTIL(fault_count(FAULT_DROP) == before + 1));
	fault_set(FAULT_DROP, CALL_FUNCTION_SINGLE_VECTOR, 0);
	/* Behind the stranded one, so it sends no IPI of its own. */
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), 0);
	capture_end();
	tick_resume();
	watch_set_deadline_ns(0);
	EXPECT_EQ(atomic_load(&runs), 2);
	EXPECT(capture_has(text("STALL: CPU %u waits ", me),
			   text("for CPU %u to run count_run", cpu),
			   text("on CPU %u CALL_FUNCTION_SINGLE and CALL_FUNCTION are absent "
				"(IRR and ISR), the queue is not empty",
				cpu),
			   text("CALL_FUNCTION_SINGLE is sent to CPU %u again", cpu),
			   "unstuck after", NULL));
}

static atomic_uint works;

static void count_work(struct irq_work *work)
{
	(void)work;
	atomic_fetch_add(&works, 1);
}

/* The tick finds what nobody waits for. */
TEST(fault, irq_work_whose_ipi_is_lost)
{
	static struct irq_work work = { .func = count_work };
	unsigned int cpu = other_cpu(1);
	uint64_t before = fault_count(FAULT_DROP);

	if (lacks_cpus(2) || lacks_tick())
		return;
	watch_set_deadline_ns(short_deadline_ns());
	capture_start();
	atomic_store(&works, 0);
	EXPECT_EQ(fault_set(FAULT_DROP, IRQ_WORK_VECTOR, 1000), 0);
	EXPECT(irq_work_queue_on(&work, cpu));
	EXPECT(WAIT_UNTIL(fault_count(FAULT_DROP) > before));
	fault_set(FAULT_DROP, IRQ_WORK_VECTOR, 0);
	EXPECT(WAIT_UNTIL(capture_find(NULL, text("STALL over: CPU %u ", cpu))));
	capture_end();
	watch_set_deadline_ns(0);
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&work)));
	EXPECT_EQ(atomic_load(&works), 1);
	EXPECT(capture_has(text("STALL: CPU %u has not emptied its irq_work queue for ", cpu),
			   "(1 in it, the oldest count_work)", "IRQ_WORK is absent",
			   text("IRQ_WORK is sent to CPU %u again", cpu), "unstuck after"));
}

TEST(fault, irq_work_whose_ipi_is_doubled)
{
	static struct irq_work work = { .func = count_work };
	unsigned int cpu = other_cpu(1);
	uint64_t taken;

	if (lacks_cpus(2))
		return;
	taken = cpus[cpu]->irq_count[IRQ_WORK_VECTOR];
	atomic_store(&works, 0);
	EXPECT_EQ(fault_set(FAULT_DUP, IRQ_WORK_VECTOR, 1000), 0);
	EXPECT_EQ(fault_set(FAULT_DELAY, IRQ_WORK_VECTOR, 1000), 0);
	EXPECT(irq_work_queue_on(&work, cpu));
	EXPECT(WAIT_UNTIL(*(volatile uint64_t *)&cpus[cpu]->irq_count[IRQ_WORK_VECTOR] > taken));
	fault_set(FAULT_DUP, IRQ_WORK_VECTOR, 0);
	fault_set(FAULT_DELAY, IRQ_WORK_VECTOR, 0);
	EXPECT(WAIT_UNTIL(*(volatile uint64_t *)&cpus[cpu]->irq_count[IRQ_WORK_VECTOR] >=
			  taken + 2));
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&work)));
	EXPECT_EQ(atomic_load(&works), 1);
}

static void end_fault(unsigned int cpu)
{
	(void)cpu;
	fault_end();
}

/*
 * All that calls other CPUs must be done before one of them is stuck. It is so until that was
 * reported.
 */
static void expect_stall(unsigned int cpu, int (*make)(unsigned int cpu, unsigned int ms),
			 const char *where)
{
	watch_set_deadline_ns(short_deadline_ns());
	tick_suspend();
	capture_start();
	atomic_store(&runs, 0);
	stall_set_hook(end_fault);
	EXPECT_EQ(make(cpu, GIVE_UP_NS / 1000000), 0);
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), 0);
	stall_set_hook(NULL);
	capture_end();
	work_wait(cpu);
	tick_resume();
	watch_set_deadline_ns(0);
	EXPECT_EQ(atomic_load(&runs), 1);
	EXPECT(capture_has(text("STALL: CPU %u waits ", this_cpu->index),
			   text("for CPU %u to run count_run", cpu),
			   text("on CPU %u CALL_FUNCTION_SINGLE is pending (IRR)", cpu), where,
			   "unstuck after", NULL));
	EXPECT(!capture_find(NULL, "again"));
}

TEST(fault, deaf_cpu)
{
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	expect_stall(cpu, fault_deaf, "interrupts on");
}

TEST(fault, cpu_that_spins_with_interrupts_off)
{
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	expect_stall(cpu, fault_spin, "interrupts off");
}

/* A send that the APIC does not take for long is made all the same, once. */
TEST(fault, busy_apic)
{
	unsigned int cpu = other_cpu(1);
	uint32_t timeouts = xapic_icr_timeouts;

	if (lacks_cpus(2))
		return;
	if (fault_busy()) {
		test_skip("x2APIC has no delivery status");
		return;
	}
	call_often(cpu);
	EXPECT_EQ(xapic_icr_timeouts, timeouts);
	EXPECT_EQ(arch_pretend_busy(ICR_WAIT_SPINS + 1), 0);
	call_times(cpu, 2);
	EXPECT(xapic_icr_timeouts > timeouts);
	arch_pretend_busy(0);
}

TEST(fault, bad_requests)
{
	EXPECT_EQ(fault_set(FAULT_IPI_KINDS, CALL_FUNCTION_VECTOR, 1), -EINVAL);
	EXPECT_EQ(fault_set(FAULT_DROP, 256, 1), -EINVAL);
	EXPECT_EQ(fault_set(FAULT_DROP, LOCAL_TIMER_VECTOR, 1), -EINVAL);
	EXPECT_EQ(fault_set(FAULT_DROP, CALL_FUNCTION_VECTOR, 1001), -EINVAL);
	EXPECT_EQ(fault_deaf(nr_cpus, 1), -ENXIO);
	EXPECT_EQ(fault_spin(this_cpu->index, 1), -ENXIO);
}

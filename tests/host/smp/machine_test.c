/*
 * The machine of threads itself: does it do what CPUs and their local APICs do?
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/reschedule.h>
#include <kernel/sched/work.h>
#include <stdatomic.h>
#include <tests/host/smp/host.h>
#include <tests/kernel/hold.h>
#include <tests/kernel/stuck.h>
#include <tests/kernel/test.h>

static atomic_bool counting, enough;

/* A loop that calls nothing: only an interrupt gets in between. */
static void count_up(void *sum)
{
	atomic_store_explicit(&counting, true, memory_order_relaxed);
	while (!atomic_load_explicit(&enough, memory_order_relaxed))
		++*(uint64_t *)sum;
}

TEST(machine, an_ipi_interrupts_a_loop)
{
	uint64_t sum = 0;

	if (lacks_cpus(2))
		return;
	clear_runs();
	atomic_store_explicit(&counting, false, memory_order_relaxed);
	atomic_store_explicit(&enough, false, memory_order_relaxed);
	EXPECT_EQ(work_start(1, count_up, &sum), 0);
	EXPECT(WAIT_UNTIL(atomic_load_explicit(&counting, memory_order_relaxed)));
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(smp_call_function_single(1, count_run, NULL, true), 0);
	EXPECT_EQ(runs(1), 10);
	EXPECT(work_busy(1));
	atomic_store_explicit(&enough, true, memory_order_relaxed);
	work_wait(1);
	EXPECT(sum);
}

static void read_reschedules(void *count)
{
	*(uint64_t *)count = this_cpu->irq_count[RESCHEDULE_VECTOR];
}

/* In the IRR, and while a handler runs. */
TEST(machine, equal_ipis_merge)
{
	uint64_t before, after;

	if (lacks_cpus(2))
		return;
	EXPECT_EQ(smp_call_function_single(1, read_reschedules, &before, true), 0);
	REQUIRE(hold_cpu(1));
	for (int i = 0; i < 5; i++)
		smp_send_reschedule(1);
	release_cpus();
	EXPECT(WAIT_UNTIL(!smp_call_function_single(1, read_reschedules, &after, true) &&
			  after > before));
	EXPECT_EQ(after - before, 1);
}

TEST(machine, different_ipis_do_not_merge)
{
	uint64_t before, after;

	if (lacks_cpus(2))
		return;
	clear_runs();
	EXPECT_EQ(smp_call_function_single(1, read_reschedules, &before, true), 0);
	REQUIRE(hold_cpu(1));
	smp_send_reschedule(1);
	EXPECT_EQ(smp_call_function_single(1, count_run, NULL, false), 0);
	release_cpus();
	EXPECT(WAIT_UNTIL(runs(1) == 1));
	EXPECT(WAIT_UNTIL(!smp_call_function_single(1, read_reschedules, &after, true) &&
			  after > before));
}

static void call_cpu_0(void *unused)
{
	(void)unused;
	smp_call_function_single(0, count_run, NULL, false);
}

TEST(machine, interrupts_off_hold_ipis_back)
{
	if (lacks_cpus(2))
		return;
	clear_runs();
	irq_disable();
	EXPECT_EQ(smp_call_function_single(1, call_cpu_0, NULL, false), 0);
	EXPECT(WAIT_UNTIL(!llist_empty(&this_cpu->self->call_single_queue)));
	for (uint64_t start = clock_ns(); clock_ns() - start < 10000000;)
		cpu_relax();
	EXPECT_EQ(runs(0), 0);
	irq_enable();
	EXPECT(WAIT_UNTIL(runs(0) == 1));
}

TEST(machine, an_ipi_before_the_halt_ends_it)
{
	if (lacks_cpus(2))
		return;
	clear_runs();
	irq_disable();
	EXPECT_EQ(smp_call_function_single(1, call_cpu_0, NULL, false), 0);
	EXPECT(WAIT_UNTIL(!llist_empty(&this_cpu->self->call_single_queue)));
	while (!runs(0))
		cpu_halt_until_interrupt();
	EXPECT(irqs_disabled());
	irq_enable();
	EXPECT_EQ(runs(0), 1);
}

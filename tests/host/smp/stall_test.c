/*
 * What the watch does about calls that stall, with the sanitizers looking on. That its report
 * names functions is tested in the kernel, where functions have names.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/nmi.h>
#include <kernel/smp/queue.h>
#include <kernel/smp/stop.h>
#include <kernel/smp/watch.h>
#include <kernel/sched/work.h>
#include <lib/errno.h>
#include <tests/host/smp/host.h>
#include <tests/kernel/capture.h>
#include <tests/kernel/hold.h>
#include <tests/kernel/stuck.h>
#include <tests/kernel/test.h>

#define DEADLINE_NS 100000000ull

static void begin(void)
{
	host_expect_stalls(true);
	watch_set_deadline_ns(DEADLINE_NS);
	capture_start();
	clear_runs();
}

/* Either the waiter or a tick reported, and that one says when it is over. */
static void end(void)
{
	EXPECT(WAIT_UNTIL(!atomic_load(&cpus[1]->stall_claimed)));
	capture_end();
	watch_set_deadline_ns(0);
	host_expect_stalls(false);
}

/* As if the IPI had been lost on its way. */
static void lose_ipi(struct csd *csd)
{
	irq_disable();
	csd_fill(csd, count_run, NULL);
	csd->dst = 1;
	EXPECT(csd_enqueue(csd, peer_queue(1)));
	irq_enable();
}

TEST(stall, lost_ipi_of_who_waits)
{
	struct csd *csd = &this_cpu->csd_wait[0];

	if (lacks_cpus(2))
		return;
	begin();
	lose_ipi(csd);
	EXPECT_EQ(csd_wait(csd), 0);
	end();
	EXPECT_EQ(all_runs(), 1);
	EXPECT(capture_has("STALL: CPU ", "are absent (IRR and ISR), the queue is not empty",
			   "is sent to CPU 1 again", "unstuck after"));
}

TEST(stall, lost_ipi_nobody_waits)
{
	static struct csd csd;

	if (lacks_cpus(2))
		return;
	begin();
	lose_ipi(&csd);
	EXPECT(WAIT_UNTIL(capture_find(NULL, "STALL over")));
	end();
	EXPECT_EQ(all_runs(), 1);
	EXPECT(capture_has("STALL: CPU 1 has not emptied its call queue", "is sent to CPU 1 again",
			   "unstuck after"));
}

static bool lacks_nmi(void)
{
	if (!host_nmi_interrupts_handlers())
		test_skip("no NMI comes while a handler runs");
	return !host_nmi_interrupts_handlers();
}

TEST(stall, deaf_cpu)
{
	if (lacks_cpus(2) || lacks_nmi())
		return;
	begin();
	EXPECT(make_deaf(1, "STALL: "));
	EXPECT_EQ(smp_call_function_single(1, count_run, NULL, true), 0);
	end();
	EXPECT_EQ(all_runs(), 1);
	EXPECT(capture_has("STALL: CPU ", "is pending (IRR), interrupts off", "unstuck after"));
	EXPECT(!capture_find(NULL, "again"));
}

TEST(nmi, everyone_answers)
{
	capture_start();
	EXPECT_EQ(nmi_backtrace(&cpu_online_mask), 0);
	capture_end();
	for (unsigned int cpu = 0; cpu < host_cpus; cpu++)
		EXPECT(capture_find(NULL, text("CPU %u  ", cpu)));
	EXPECT(!capture_find(NULL, "did not answer"));
}

static void call_1_and_wait(void *error)
{
	*(int *)error = smp_call_function_single(1, count_run, NULL, true);
}

static void stay_for_ever(void *unused)
{
	(void)unused;
	count_run(NULL);
	for (;;)
		cpu_relax();
}

/*
 * CPU 1 is stopped by NMI inside a function, with a call behind it that CPU 2 waits for; then all
 * are stopped. No test can run after this.
 */
TEST(deliberate, stop)
{
	struct cpumask mask = { 0 };
	int error = 1;

	if (lacks_cpus(3) || lacks_nmi())
		return;
	clear_runs();
	cpumask_set(&mask, 1);
	EXPECT_EQ(smp_call_function_single(1, stay_for_ever, NULL, false), 0);
	EXPECT(WAIT_UNTIL(runs(1) == 1));
	EXPECT_EQ(work_start(2, call_1_and_wait, &error), 0);
	EXPECT(WAIT_UNTIL(!llist_empty(&cpus[1]->call_single_queue)));
	smp_stop_cpus(&mask);
	work_wait(2);
	EXPECT_EQ(error, -ETIMEDOUT);
	EXPECT_EQ(smp_call_function_single(1, count_run, NULL, true), -ENXIO);
	EXPECT_EQ(smp_call_function(count_run, NULL, true), 0);
	EXPECT_EQ(all_runs(), host_cpus - 1);
	EXPECT_EQ(runs(1), 1);
	smp_send_stop();
	for (unsigned int cpu = 1; cpu < host_cpus; cpu++)
		EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, false), -ENXIO);
	EXPECT_EQ(on_each_cpu(count_run, NULL, true), 0);
	EXPECT_EQ(runs(0), 1);
}

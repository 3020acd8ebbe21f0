/*
 * Stopping other CPUs for good. All of these leave the machine with fewer CPUs or end
 * in a panic, so they run only when test= names them.
 */
#include "capture.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/console/printk.h>
#include <kernel/panic.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/nmi.h>
#include <kernel/smp/queue.h>
#include <kernel/smp/stop.h>
#include <kernel/sched/work.h>
#include <lib/errno.h>

#define SETTLE_NS 50000000ull

static atomic_uint reached;

static void __attribute__((noinline)) spin_for_ever(void *info)
{
	(void)info;
	atomic_fetch_add(&reached, 1);
	for (;;)
		cpu_relax();
}

static void never_run(void *info)
{
	(void)info;
	atomic_fetch_add(&reached, 100);
}

static void __attribute__((noinline)) work_for_ever(void *info)
{
	spin_for_ever(info);
}

static void wait_for_cpu_2(void *info)
{
	(void)info;
	atomic_fetch_add(&reached, 1);
	smp_call_function_single(2, never_run, NULL, true);
}

static void settle(void)
{
	uint64_t start = clock_ns();

	while (clock_ns() - start < SETTLE_NS)
		cpu_relax();
}

/* CPU 1 is idle, 2 is deaf, 3 waits for 2, 4 works. */
static void put_into_states(void)
{
	atomic_store(&reached, 0);
	EXPECT_EQ(smp_call_function_single(2, spin_for_ever, NULL, false), 0);
	EXPECT_EQ(work_start(3, wait_for_cpu_2, NULL), 0);
	EXPECT_EQ(work_start(4, work_for_ever, NULL), 0);
	WAIT_UNTIL(atomic_load(&reached) == 3);
	settle();
}

TEST(deliberate, panic_with_others_in_known_states)
{
	put_into_states();
	panic("asked for, while the others are in known states");
}

static bool panic_in_nmi(struct pt_regs *regs)
{
	panic_regs(regs, "asked for in an NMI");
}

TEST(deliberate, panic_in_nmi)
{
	put_into_states();
	trap_set_hook(TRAP_NMI, panic_in_nmi);
	arch_send_nmi_self();
	settle();
}

static bool spin_in_nmi(struct pt_regs *regs)
{
	(void)regs;
	spin_for_ever(NULL);
	return true;
}

/* While a CPU is in its NMI handler, no other NMI comes. */
TEST(deliberate, panic_with_one_that_does_not_answer)
{
	trap_set_hook(TRAP_NMI, spin_in_nmi);
	atomic_store(&reached, 0);
	arch_send_nmi(1);
	WAIT_UNTIL(atomic_load(&reached));
	panic("asked for, while CPU 1 does not answer");
}

static atomic_bool go;

static void panic_with_the_others(void *info)
{
	(void)info;
	atomic_fetch_add(&reached, 1);
	while (!atomic_load(&go))
		cpu_relax();
	panic("asked for on all at once, here on CPU %u", this_cpu->index);
}

/* Interrupts are off on the others: all of them get as far as one can. */
TEST(deliberate, panic_on_all_at_once)
{
	atomic_store(&reached, 0);
	smp_call_function(panic_with_the_others, NULL, false);
	WAIT_UNTIL(atomic_load(&reached) == cpumask_weight(&cpu_online_mask) - 1);
	atomic_store(&go, true);
	irq_disable();
	panic("asked for on all at once, here on CPU %u", this_cpu->index);
}

static void stop_later(void *cpu)
{
	struct cpumask mask = { 0 };

	cpumask_set(&mask, *(unsigned int *)cpu);
	WAIT_UNTIL(atomic_load(&reached));
	settle();
	smp_stop_cpus(&mask);
}

/* Plain counters of CPUs that are quiet by now. */
static uint64_t __attribute__((no_sanitize_thread)) calls_cancelled(void)
{
	uint64_t sum = 0;

	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		sum += *(volatile uint64_t *)&cpus[cpu]->calls_cancelled;
	return sum;
}

static void expect_pool_free(void)
{
	for (unsigned int i = 0; i < this_cpu->csd_count; i++)
		EXPECT(csd_is_free(&this_cpu->csd_pool[i]));
}

/*
 * The stopped CPU was deaf, with our calls in its queue, one of them not waited for; then it
 * was in our function, and that one is all there is.
 */
static void expect_cancelled(unsigned int cpu, bool deaf_before)
{
	uint64_t cancelled = calls_cancelled();

	atomic_store(&reached, 0);
	if (deaf_before) {
		EXPECT_EQ(smp_call_function_single(cpu, spin_for_ever, NULL, false), 0);
		WAIT_UNTIL(atomic_load(&reached)); /* else it takes both out of its queue */
		EXPECT_EQ(smp_call_function_single(cpu, never_run, NULL, false), 0);
	}
	EXPECT_EQ(work_start(1, stop_later, &cpu), 0);
	EXPECT_EQ(smp_call_function_single(cpu, deaf_before ? never_run : spin_for_ever, NULL,
					   true),
		  -ETIMEDOUT);
	work_wait(1);
	EXPECT_EQ(calls_cancelled() - cancelled, deaf_before ? 2 : 0);
	EXPECT_EQ(atomic_load(&reached), 1);
	expect_pool_free();
}

/* Nobody waits for anybody: who stops it frees what was queued for it. */
static void expect_freed(unsigned int cpu)
{
	uint64_t cancelled = calls_cancelled();

	atomic_store(&reached, 0);
	EXPECT_EQ(smp_call_function_single(cpu, spin_for_ever, NULL, false), 0);
	WAIT_UNTIL(atomic_load(&reached));
	EXPECT_EQ(smp_call_function_single(cpu, never_run, NULL, false), 0);
	stop_later(&cpu);
	EXPECT_EQ(calls_cancelled() - cancelled, 1);
	expect_pool_free();
}

static void expect_offline(unsigned int cpu)
{
	EXPECT(!cpu_online(cpu));
	EXPECT_EQ(smp_call_function_single(cpu, never_run, NULL, true), -ENXIO);
	EXPECT_EQ(smp_call_function_single(cpu, never_run, NULL, false), -ENXIO);
	EXPECT_EQ(work_start(cpu, never_run, NULL), -ENXIO);
}

TEST(deliberate, stopped_cpus_are_offline)
{
	struct cpumask mask = { 0 };
	uint64_t start;

	REQUIRE(nr_cpus >= 5 && cpumask_weight(&cpu_online_mask) == nr_cpus);
	expect_cancelled(2, true);
	expect_cancelled(3, false);
	expect_freed(4);
	for (unsigned int cpu = 2; cpu <= 4; cpu++)
		expect_offline(cpu);
	capture_start();
	cpumask_set(&mask, 2);
	EXPECT_EQ(nmi_backtrace(&mask), 0);
	start = clock_ns();
	smp_send_stop();
	EXPECT(clock_ns() - start < STOP_REBOOT_NS + STOP_NMI_NS);
	stop_report();
	capture_end();
	for (unsigned int cpu = 1; cpu < nr_cpus; cpu++)
		expect_offline(cpu);
	EXPECT_EQ(smp_call_function(never_run, NULL, true), 0);
	EXPECT_EQ(atomic_load(&reached), 1);
	smp_send_stop();
	EXPECT(capture_has("CPU 2  is not online\n", "The others:\n", "CPU 1  idle, halted ",
			   "CPU 2  stopped by NMI in spin_for_ever+", "interrupts off",
			   "CPU 3  stopped by NMI in spin_for_ever+"));
}

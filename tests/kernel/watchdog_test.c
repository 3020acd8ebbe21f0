/*
 * Lockups, made on purpose, and handlers and threads that leave things as they must not.
 */
#include "capture.h"
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/debug/checks.h>
#include <kernel/sched/call_on_cpu.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wake.h>
#include <kernel/sched/watchdog.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/irq_work.h>
#include <kernel/smp/watch.h>
#include <lib/errno.h>

#define LOCKUP_GIVE_UP_NS 20000000000ull

/* Holds preemption off until the console heard of it. Calls nothing, to be in the backtrace. */
static int __attribute__((noinline)) hold_preemption_off(void *held)
{
	uint64_t start = cycles(), limit = ns_to_cycles(LOCKUP_GIVE_UP_NS);

	preempt_disable();
	atomic_store((atomic_bool *)held, true);
	while (!atomic_load(&capture_heard) && cycles() - start < limit)
		cpu_relax();
	preempt_enable();
	return 0;
}

TEST(watchdog, soft_lockup)
{
	unsigned int cpu = other_cpu(1);
	struct thread *holder, *waiter;
	atomic_bool held = false;
	atomic_uint count = 0;

	if (lacks_cpus(2) || lacks_tick())
		return;
	capture_start();
	watch_set_deadline_ns(short_deadline_ns());
	capture_listen_for(text("watchdog: CPU %u: soft lockup", cpu));
	holder = run_on(cpu, hold_preemption_off, &held);
	waiter = make_rt(cpu, 1, add_one, &count);
	EXPECT(WAIT_UNTIL(atomic_load(&held)));
	thread_wake(waiter);
	join(waiter);
	join(holder);
	EXPECT(WAIT_UNTIL(capture_find(NULL, text("watchdog: CPU %u: soft lockup over", cpu))));
	watch_set_deadline_ns(0);
	capture_end();
	EXPECT(capture_has(text("watchdog: CPU %u: soft lockup for ", cpu),
			   "'test' is to be left, preempt count 0x1", "hold_preemption_off",
			   "soft lockup over"));
}

TEST(watchdog, hard_lockup)
{
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2) || lacks_tick())
		return;
	capture_start();
	watch_set_deadline_ns(short_deadline_ns());
	EXPECT(make_deaf(cpu, text("watchdog: CPU %u: hard lockup", cpu)));
	EXPECT(WAIT_UNTIL(!atomic_load(&deaf)));
	EXPECT(!atomic_load(&capture_heard) ||
	       WAIT_UNTIL(capture_find(NULL, text("watchdog: CPU %u: hard lockup over", cpu))));
	watch_set_deadline_ns(0);
	capture_end();
	EXPECT(capture_has(text("watchdog: CPU %u: hard lockup for ", cpu), "interrupts off",
			   "spin_deaf", "hard lockup over"));
}

static void leave_uneven(struct irq_work *work)
{
	(void)work;
	preempt_disable();
}

static void leave_uneven_the_other_way(struct irq_work *work)
{
	(void)work;
	preempt_enable_no_resched();
}

/* A handler's mistake is told, and is not the interrupted thread's. */
TEST(watchdog, handler_that_leaves_the_count_uneven)
{
	struct irq_work more = { .func = leave_uneven },
			less = { .func = leave_uneven_the_other_way };

	capture_start();
	irq_work_queue(&more);
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&more)));
	EXPECT_EQ(preempt_count(), 0);
	preempt_disable();
	irq_work_queue(&less);
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&less)));
	EXPECT_EQ(preempt_count(), 1);
	preempt_enable();
	capture_end();
	EXPECT(capture_has("WARNING: irq: the handler of vector 247 left preempt count 0x10001",
			   "WARNING: irq: the handler of vector 247 left preempt count 0x10000"));
}

static int count_here(void *unused)
{
	(void)unused;
	return (int)preempt_count();
}

static void nothing(void *unused)
{
	(void)unused;
}

static void hold_off_and_forget(void *unused)
{
	(void)unused;
	preempt_disable();
}

/*
 * So is a call's function's: debug builds tell where it happens. Where the CPU idled, others find
 * it when the CPU is given to a thread, whose it is not either way.
 */
TEST(watchdog, function_that_leaves_the_count_uneven)
{
	unsigned int cpu = other_cpu(1);
	uint32_t count = 1;

	if (lacks_cpus(2))
		return;
	EXPECT(WAIT_UNTIL(*(struct thread *volatile *)&cpus[cpu]->current == cpus[cpu]->idle));
	capture_start();
	EXPECT_EQ(smp_call_function_single(cpu, hold_off_and_forget, NULL, true), 0);
	EXPECT_EQ(smp_call_function_single(cpu, hold_off_and_forget, NULL, false), 0);
	EXPECT_EQ(smp_call_function_single(cpu, nothing, NULL, true), 0);
	count = (uint32_t)smp_call_on_cpu(cpu, count_here, NULL);
	capture_end();
	EXPECT_EQ(count, 0);
	if (debug_build)
		EXPECT(capture_has(
			"WARNING: smp: the function hold_off_and_forget left preempt count "
			"0x1, found 0",
			"WARNING: smp: the function hold_off_and_forget"));
	else
		EXPECT(capture_has("WARNING: sched: thread ", "is left with preempt count 0x2"));
}

#define LET_IN_TOO_OFTEN "WARNING: sched: preemption is let in more often than it was held off"

/* Said where it happens, and not so that preemption is off from then on. */
TEST(watchdog, preemption_that_nobody_held_off_is_let_in)
{
	capture_start();
	preempt_enable();
	EXPECT_EQ(preempt_count(), 0);
	preempt_enable_no_resched();
	EXPECT_EQ(preempt_count(), 0);
	preempt_check_resched();
	EXPECT(!need_resched());
	irq_disable();
	set_need_resched();
	preempt_enable(); /* when that is due already it is found by the next who wants to wait */
	irq_enable();
	EXPECT(thread_may_wait());
	preempt_check_resched();
	EXPECT(preempt_count_equals(PREEMPT_ENABLED));
	capture_end();
	EXPECT(capture_has(LET_IN_TOO_OFTEN, "watchdog_preemption_that_nobody", LET_IN_TOO_OFTEN,
			   "watchdog_preemption_that_nobody", LET_IN_TOO_OFTEN,
			   "watchdog_preemption_that_nobody"));
}

static int sleep_and_tell(void *arg)
{
	thread_yield();
	EXPECT(!irqs_disabled() && thread_may_wait());
	return *(int *)arg + (int)this_cpu->index;
}

TEST(call_on_cpu, runs_in_a_thread_there)
{
	int base = 1000;

	for_each_cpu(cpu, &cpu_online_mask)
		EXPECT_EQ(smp_call_on_cpu(cpu, sleep_and_tell, &base), 1000 + (int)cpu);
	EXPECT_EQ(smp_call_on_cpu(nr_cpus, sleep_and_tell, &base), -EINVAL);
	EXPECT_EQ(smp_call_on_cpu(0, NULL, &base), -EINVAL);
	capture_start();
	irq_disable();
	EXPECT_EQ(smp_call_on_cpu(0, sleep_and_tell, &base), -EDEADLK);
	irq_enable();
	capture_end();
	EXPECT(capture_has_once("WARNING: sched: a wait where none may be",
				"runs_in_a_thread_there"));
}

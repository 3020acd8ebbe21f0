/*
 * Calls to many that cannot be made, or not as they were asked for: what they say, and
 * that nothing of them runs.
 */
#include "capture.h"
#include "hold.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/time/tick.h>
#include <lib/errno.h>

static bool yes(unsigned int cpu, void *info)
{
	(void)cpu;
	(void)info;
	return true;
}

static struct cpumask beyond_the_listed(void)
{
	struct cpumask mask = { 0 };

	for (unsigned int cpu = nr_cpus; cpu < MAX_CPUS; cpu++)
		cpumask_set(&mask, cpu);
	return mask;
}

TEST(many, null_arguments)
{
	struct cpumask self = mask_of(this_cpu->index);

	clear_runs();
	for (int wait = 0; wait < 2; wait++) {
		EXPECT_EQ(smp_call_function_many(NULL, count_run, NULL, wait), -EINVAL);
		EXPECT_EQ(smp_call_function_many(&self, NULL, NULL, wait), -EINVAL);
		EXPECT_EQ(smp_call_function(NULL, NULL, wait), -EINVAL);
		EXPECT_EQ(on_each_cpu(NULL, NULL, wait), -EINVAL);
		EXPECT_EQ(on_each_cpu_mask(NULL, count_run, NULL, wait), -EINVAL);
		EXPECT_EQ(on_each_cpu_mask(&self, NULL, NULL, wait), -EINVAL);
		EXPECT_EQ(on_each_cpu_cond_mask(NULL, count_run, NULL, wait, &self), -EINVAL);
		EXPECT_EQ(on_each_cpu_cond_mask(yes, NULL, NULL, wait, &self), -EINVAL);
		EXPECT_EQ(smp_call_function_any(NULL, count_run, NULL, wait), -EINVAL);
		EXPECT_EQ(smp_call_function_any(&self, NULL, NULL, wait), -EINVAL);
	}
	EXPECT_EQ(all_runs(), 0);
	EXPECT(!irqs_disabled());
}

/* Nobody is no error, save where one is to be chosen. */
TEST(many, masks_that_name_nobody)
{
	struct cpumask none = { 0 }, beyond = beyond_the_listed(), self = mask_of(this_cpu->index);
	const struct cpumask *masks[] = { &none, &beyond };

	clear_runs();
	for (int i = 0; i < 4; i++) {
		const struct cpumask *mask = masks[i / 2];
		bool wait = i % 2;

		EXPECT_EQ(smp_call_function_many(mask, count_run, NULL, wait), 0);
		EXPECT_EQ(smp_call_function_many(&self, count_run, NULL, wait), 0);
		EXPECT_EQ(on_each_cpu_mask(mask, count_run, NULL, wait), 0);
		EXPECT_EQ(on_each_cpu_cond_mask(yes, count_run, NULL, wait, mask), 0);
		EXPECT_EQ(smp_call_function_any(mask, count_run, NULL, wait), -ENXIO);
	}
	EXPECT_EQ(all_runs(), 0);
	EXPECT(!irqs_disabled());
}

/* All others offline, as before they were started: what is left is this CPU. */
TEST(many, offline_cpus_are_left_out)
{
	struct cpumask others = all_others();

	tick_suspend();
	for_each_cpu(cpu, &others)
		cpu_set_online(cpu, false);
	clear_runs();
	for (int wait = 0; wait < 2; wait++) {
		EXPECT_EQ(smp_call_function_many(&others, count_run, NULL, wait), 0);
		EXPECT_EQ(smp_call_function(count_run, NULL, wait), 0);
		EXPECT_EQ(smp_call_function_any(&others, count_run, NULL, wait), -ENXIO);
		EXPECT_EQ(on_each_cpu_cond_mask(yes, count_run, NULL, wait, &others), 0);
		EXPECT_EQ(all_runs(), 0);
		EXPECT_EQ(on_each_cpu(count_run, NULL, wait), 0);
		EXPECT_EQ(runs(this_cpu->index), 1);
		clear_runs();
	}
	EXPECT_EQ(kick_all_cpus_sync(), 0);
	for_each_cpu(cpu, &others) {
		EXPECT(llist_empty(&cpus[cpu]->call_single_queue));
		cpu_set_online(cpu, true);
	}
	tick_resume();
	EXPECT_EQ(on_each_cpu(count_run, NULL, true), 0);
	EXPECT_EQ(all_runs(), cpumask_weight(&cpu_online_mask));
}

TEST(many, interrupts_off)
{
	struct cpumask self = mask_of(this_cpu->index), where;

	if (lacks_cpus(2))
		return;
	clear_runs();
	capture_start();
	irq_disable();
	EXPECT_EQ(on_each_cpu(count_run, NULL, true), -EDEADLK);
	EXPECT_EQ(smp_call_function(count_run, NULL, true), -EDEADLK);
	EXPECT_EQ(on_each_cpu_cond_mask(yes, count_run, NULL, true, NULL), -EDEADLK);
	EXPECT_EQ(kick_all_cpus_sync(), -EDEADLK);
	EXPECT_EQ(all_runs(), 0);
	EXPECT_EQ(on_each_cpu_mask(&self, count_run, NULL, true), 0);
	EXPECT_EQ(all_runs(), 1);
	EXPECT_EQ(smp_call_function(count_run, NULL, false), 0);
	EXPECT(irqs_disabled());
	irq_enable();
	capture_end();
	EXPECT(capture_has_once("WARNING: smp: waited call to many CPUs with interrupts off"));
	EXPECT_EQ(kick_all_cpus_sync(), 0);
	where = ran_on();
	EXPECT(mask_equal(&where, &cpu_online_mask));
}

static int waited_inside, unwaited_inside;

static void call_from_inside(void *info)
{
	waited_inside = smp_call_function(count_run, info, true);
	unwaited_inside = on_each_cpu(count_run, info, false);
}

TEST(many, inside_a_function)
{
	if (lacks_cpus(2))
		return;
	clear_runs();
	capture_start();
	EXPECT_EQ(smp_call_function_single(other_cpu(1), call_from_inside, NULL, true), 0);
	capture_end();
	EXPECT_EQ(waited_inside, -EDEADLK);
	EXPECT_EQ(unwaited_inside, 0);
	EXPECT(WAIT_UNTIL(all_runs() == cpumask_weight(&cpu_online_mask)));
	EXPECT_EQ(runs(other_cpu(1)), 1);
}

static void call_self_again(void *depth)
{
	int error;

	if (++*(unsigned int *)depth < SELF_CALL_DEPTH) {
		error = smp_call_function_single(this_cpu->index, call_self_again, depth, true);
		EXPECT_EQ(error, 0);
		return;
	}
	error = on_each_cpu(count_run, NULL, false);
	EXPECT_EQ(error, -ELOOP);
}

/* Too deep for this CPU's part: then nobody runs it. */
TEST(many, nested_too_deep)
{
	unsigned int depth = 0;

	clear_runs();
	EXPECT_EQ(smp_call_function_single(this_cpu->index, call_self_again, &depth, true), 0);
	EXPECT_EQ(depth, SELF_CALL_DEPTH);
	EXPECT_EQ(kick_all_cpus_sync(), 0);
	EXPECT_EQ(all_runs(), 0);
	EXPECT_EQ(on_each_cpu(count_run, NULL, true), 0);
	EXPECT_EQ(all_runs(), cpumask_weight(&cpu_online_mask));
}

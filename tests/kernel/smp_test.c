/*
 * Calls to one CPU: on that CPU, once, seen both ways, and refused when they cannot be
 * made.
 */
#include "capture.h"
#include "hold.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/machine.h>
#include <arch/time.h>
#include <kernel/bootword.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/sched/work.h>
#include <lib/errno.h>
#include <lib/string.h>
#include <stdatomic.h>

TEST(smp, every_listed_cpu_is_online_or_named)
{
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		struct cpu_place place;

		REQUIRE(arch_cpu_place(cpu, &place));
		EXPECT(cpu_online(cpu) || place.state[0] != 'o');
	}
	EXPECT(cpu_online(0));
}

/* Set by the boot word, which is read before anything is known of CPUs or memory. */
static struct early {
	bool asked;
	int single, self, async, many, each, any, kick;
	unsigned int ran;
	bool irqs_were_off;
} early;
static struct csd early_csd = { .func = count_run };

static bool call_early(const struct boot_word *word, const char *value)
{
	struct cpumask both = mask_of(0);

	(void)word;
	cpumask_set(&both, 1);
	early.asked = true;
	early.self = smp_call_function_single(0, count_run, NULL, true);
	early.single = smp_call_function_single(1, count_run, NULL, false);
	early.async = smp_call_function_single_async(1, &early_csd);
	early.many = smp_call_function_many(&both, count_run, NULL, true);
	early.each = on_each_cpu(count_run, NULL, true);
	early.any = smp_call_function_any(&both, count_run, NULL, true);
	early.kick = kick_all_cpus_sync();
	early.ran = all_runs();
	early.irqs_were_off = irqs_disabled();
	return !strcmp(value, "calls");
}
BOOT_WORD_DEFINE(early, .help = "tests: early=calls makes calls before there are CPUs",
		 .parse = call_early);

/* A call to oneself needs nobody. Else there is no such CPU, and nobody in a mask. */
TEST(smp, calls_before_any_cpu_is_known)
{
	if (!early.asked) {
		test_skip("needs early=calls");
		return;
	}
	EXPECT_EQ(early.self, 0);
	EXPECT_EQ(early.single, -EINVAL);
	EXPECT_EQ(early.async, -EINVAL);
	EXPECT_EQ(early.many, 0);
	EXPECT_EQ(early.each, 0);
	EXPECT_EQ(early.any, -ENXIO);
	EXPECT_EQ(early.kick, 0);
	EXPECT(early.irqs_were_off);
	EXPECT_EQ(early.ran, 1);
}

/* Rule 1. */
TEST(smp, runs_once_and_nowhere_else)
{
	for_each_cpu(cpu, &cpu_online_mask) {
		clear_runs();
		EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), 0);
		EXPECT_EQ(runs(cpu), 1);
		EXPECT_EQ(all_runs(), 1);
	}
}

struct from_all {
	unsigned int to;
	int error;
};

static void call_next(void *info)
{
	struct from_all *from = info;

	from->error = smp_call_function_single(from->to, count_run, NULL, true);
}

/* "Online" means that it takes a call and that it can make one. */
TEST(smp, every_cpu_calls_another)
{
	for_each_cpu(cpu, &cpu_online_mask) {
		struct from_all from = { .to = cpumask_next(&cpu_online_mask, cpu + 1),
					 .error = 1 };

		if (from.to == MAX_CPUS)
			from.to = 0;
		clear_runs();
		EXPECT_EQ(work_run(cpu, call_next, &from), 0);
		EXPECT_EQ(from.error, 0);
		EXPECT_EQ(runs(from.to), 1);
		EXPECT_EQ(all_runs(), 1);
	}
}

static bool irqs_were_off;
static unsigned int looked_on;

static void look(void *info)
{
	irqs_were_off = irqs_disabled();
	looked_on = this_cpu->index;
	*(uint64_t *)info *= 2;
}

/* Rule 2, as far as an emulator shows it. */
TEST(smp, what_is_written_is_seen)
{
	for_each_cpu(cpu, &cpu_online_mask) {
		for (uint64_t i = 1; i <= 20; i++) {
			uint64_t value = i;

			EXPECT_EQ(smp_call_function_single(cpu, look, &value, true), 0);
			EXPECT_EQ(value, 2 * i);
			EXPECT_EQ(looked_on, cpu);
			EXPECT(irqs_were_off);
			EXPECT(!irqs_disabled());
		}
	}
}

/* Rule 6, in its order. */
TEST(smp, errors)
{
	clear_runs();
	EXPECT_EQ(smp_call_function_single(0, NULL, NULL, true), -EINVAL);
	EXPECT_EQ(smp_call_function_single(nr_cpus, NULL, NULL, true), -EINVAL);
	EXPECT_EQ(smp_call_function_single(nr_cpus, count_run, NULL, true), -EINVAL);
	EXPECT_EQ(smp_call_function_single(~0u, count_run, NULL, false), -EINVAL);
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		if (!cpu_online(cpu))
			EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), -ENXIO);
	}
	EXPECT_EQ(all_runs(), 0);
}

TEST(smp, offline_target)
{
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	/* Nobody else runs now: the mask may lie for a moment. */
	cpu_set_online(cpu, false);
	clear_runs();
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), -ENXIO);
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, false), -ENXIO);
	irq_disable();
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), -ENXIO);
	irq_enable();
	EXPECT(llist_empty(&cpus[cpu]->call_single_queue));
	cpu_set_online(cpu, true);
	EXPECT_EQ(all_runs(), 0);
}

TEST(smp, waited_with_interrupts_off)
{
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	clear_runs();
	capture_start();
	irq_disable();
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), -EDEADLK);
	EXPECT(irqs_disabled());
	irq_enable();
	capture_end();
	EXPECT(capture_has_once("WARNING: smp: waited call to CPU "));
	EXPECT_EQ(all_runs(), 0);
	irq_disable();
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, false), 0);
	EXPECT_EQ(smp_call_function_single(this_cpu->index, count_run, NULL, true), 0);
	EXPECT(irqs_disabled());
	irq_enable();
	EXPECT(WAIT_UNTIL(all_runs() == 2));
}

static int error_inside;

static void call_back_waited(void *info)
{
	error_inside = smp_call_function_single(*(unsigned int *)info, count_run, NULL, true);
}

static void call_back_unwaited(void *info)
{
	error_inside = smp_call_function_single(*(unsigned int *)info, count_run, NULL, false);
}

TEST(smp, calls_inside_a_function)
{
	unsigned int cpu = other_cpu(1), me = this_cpu->index;

	if (lacks_cpus(2))
		return;
	clear_runs();
	capture_start();
	EXPECT_EQ(smp_call_function_single(cpu, call_back_waited, &me, true), 0);
	capture_end();
	EXPECT(capture_has_once("WARNING: smp: waited call to CPU "));
	EXPECT_EQ(error_inside, -EDEADLK);
	EXPECT_EQ(all_runs(), 0);
	EXPECT_EQ(smp_call_function_single(cpu, call_back_unwaited, &me, true), 0);
	EXPECT_EQ(error_inside, 0);
	EXPECT(WAIT_UNTIL(runs(me) == 1));
}

static unsigned int depth;
static int deepest_error;

static void call_self_again(void *info)
{
	int error;

	depth++;
	error = smp_call_function_single(this_cpu->index, call_self_again, info, true);
	if (error)
		deepest_error = error;
}

TEST(smp, self_call_in_place)
{
	uint64_t value = 21;

	EXPECT_EQ(smp_call_function_single(this_cpu->index, look, &value, true), 0);
	EXPECT_EQ(value, 42);
	EXPECT(irqs_were_off && !irqs_disabled());
}

TEST(smp, self_call_without_end)
{
	depth = 0;
	deepest_error = 0;
	EXPECT_EQ(smp_call_function_single(this_cpu->index, call_self_again, NULL, true), 0);
	EXPECT_EQ(depth, SELF_CALL_DEPTH);
	EXPECT_EQ(deepest_error, -ELOOP);
	EXPECT(!irqs_disabled());
	EXPECT_EQ(this_cpu->self_calls, 0);
}

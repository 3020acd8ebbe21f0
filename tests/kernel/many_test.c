/*
 * Calls to many: on every CPU that is named and on no other, whatever the mask, seen
 * both ways, and with as many IPIs as are owed.
 */
#include "hold.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/machine.h>
#include <arch/time.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/sched/work.h>
#include <lib/errno.h>

#define MASKS_MAX 256  /* all there are of 8 CPUs; of more, at random */
#define PAIRS     4000 /* of calls and CPUs, about, in one test: an emulator is slow at many */
#define FEW       4    /* held at once */

static unsigned int masks_to_try(void)
{
	unsigned int some = PAIRS / cpumask_weight(&cpu_online_mask) + 1;

	return some < MASKS_MAX ? some : MASKS_MAX;
}

/* Any CPU that could be, online or not, listed or not. */
static struct cpumask some_mask(unsigned int number)
{
	struct cpumask mask = { 0 };

	for (unsigned int i = 0; i < CPUMASK_WORDS; i++)
		cpumask_set_word(&mask, i, test_random());
	if (nr_cpus <= 8)
		cpumask_set_word(&mask, 0, (cpumask_word(&mask, 0) & ~0xffull) | number);
	return mask;
}

static struct cpumask without_me(struct cpumask mask)
{
	cpumask_clear(&mask, this_cpu->index);
	return mask;
}

/* A call that did not wait is followed by one that does. */
static void expect_ran_on(const struct cpumask *wanted, bool waited)
{
	struct cpumask online = mask_and(wanted, &cpu_online_mask), where;

	if (!waited)
		EXPECT_EQ(kick_all_cpus_sync(), 0);
	where = ran_on();
	EXPECT(mask_equal(&where, &online));
	clear_runs();
}

static struct cpumask wanted_mask, asked_mask;

static bool wanted(unsigned int cpu, void *info)
{
	EXPECT(info == &wanted_mask);
	EXPECT_EQ(this_cpu->index, 0);
	EXPECT(!cpumask_test(&asked_mask, cpu));
	cpumask_set(&asked_mask, cpu);
	return cpumask_test(&wanted_mask, cpu);
}

static void expect_asked(const struct cpumask *mask)
{
	struct cpumask online = mask_and(mask, &cpu_online_mask);

	EXPECT(mask_equal(&asked_mask, &online));
	asked_mask = (struct cpumask){ 0 };
}

static void try_mask(const struct cpumask *mask, unsigned int number, bool wait)
{
	struct cpumask others = without_me(*mask), chosen;

	EXPECT_EQ(smp_call_function_many(mask, count_run, NULL, wait), 0);
	expect_ran_on(&others, wait);
	EXPECT_EQ(on_each_cpu_mask(mask, count_run, NULL, wait), 0);
	expect_ran_on(mask, wait);
	wanted_mask = some_mask(number * 7 + 3);
	chosen = mask_and(mask, &wanted_mask);
	EXPECT_EQ(on_each_cpu_cond_mask(wanted, count_run, &wanted_mask, wait, mask), 0);
	expect_ran_on(&chosen, wait);
	expect_asked(mask);
}

static void try_masks(bool wait)
{
	clear_runs();
	asked_mask = (struct cpumask){ 0 };
	for (unsigned int i = 0; i < masks_to_try(); i++) {
		struct cpumask mask = some_mask(i);

		try_mask(&mask, i, wait);
	}
}

TEST(many, every_mask_waited)
{
	try_masks(true);
}

TEST(many, every_mask_unwaited)
{
	try_masks(false);
}

static void try_all(bool wait)
{
	struct cpumask others = all_others();

	EXPECT_EQ(smp_call_function(count_run, NULL, wait), 0);
	expect_ran_on(&others, wait);
	EXPECT_EQ(on_each_cpu(count_run, NULL, wait), 0);
	expect_ran_on(&cpu_online_mask, wait);
	wanted_mask = some_mask(5);
	EXPECT_EQ(on_each_cpu_cond_mask(wanted, count_run, &wanted_mask, wait, NULL), 0);
	expect_ran_on(&wanted_mask, wait);
	expect_asked(&cpu_online_mask);
}

/* Often, since whether they go out as one write may be left to chance. */
TEST(many, all_cpus)
{
	clear_runs();
	asked_mask = (struct cpumask){ 0 };
	for (unsigned int i = 0; i < masks_to_try() / 4 + 1; i++) {
		try_all(true);
		try_all(false);
	}
}

static uint64_t questions[MAX_CPUS], answers[MAX_CPUS];

static void answer(void *info)
{
	const uint64_t *question = info;

	answers[this_cpu->index] = question[this_cpu->index] * 3 + 1;
}

/* Plain memory, both ways. */
TEST(many, what_is_written_is_seen)
{
	for (uint64_t round = 1; round <= 10; round++) {
		for_each_cpu(cpu, &cpu_online_mask)
			questions[cpu] = round * 1000 + cpu;
		EXPECT_EQ(on_each_cpu(answer, questions, true), 0);
		for_each_cpu(cpu, &cpu_online_mask)
			EXPECT_EQ(answers[cpu], (round * 1000 + cpu) * 3 + 1);
	}
}

/* The first call finds the queues empty and owes each an IPI; those behind it owe none. */
TEST(many, one_ipi_for_each_queue)
{
	struct cpumask few = some_others(FEW);
	const uint64_t *sent = this_cpu->self->ipi_sent;
	uint64_t before, surplus;

	if (lacks_cpus(3))
		return;
	clear_runs();
	REQUIRE(hold_cpus(&few));
	before = sent[CALL_FUNCTION_VECTOR];
	surplus = this_cpu->ipi_surplus;
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(smp_call_function_many(&few, count_run, NULL, false), 0);
		EXPECT_EQ(sent[CALL_FUNCTION_VECTOR] - before, cpumask_weight(&few));
	}
	EXPECT_EQ(this_cpu->ipi_surplus, surplus);
	EXPECT_EQ(all_runs(), 0);
	release_cpus();
	EXPECT_EQ(kick_all_cpus_sync(), 0);
	EXPECT_EQ(all_runs(), 2 * cpumask_weight(&few));
}

static void read_interrupts(void *count)
{
	*(uint64_t *)count = this_cpu->irq_count[CALL_FUNCTION_VECTOR];
}

/* Who is not named is not interrupted, unless that is cheaper; then it is counted. */
TEST(many, surplus_is_counted)
{
	unsigned int second = other_cpu(2);
	struct cpumask first = some_others(1);
	uint64_t before, after, surplus = this_cpu->ipi_surplus;

	if (lacks_cpus(3))
		return;
	EXPECT_EQ(smp_call_function_single(second, read_interrupts, &before, true), 0);
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(smp_call_function_many(&first, count_run, NULL, true), 0);
	EXPECT_EQ(smp_call_function_single(second, read_interrupts, &after, true), 0);
	EXPECT(after - before <= this_cpu->ipi_surplus - surplus);
}

/* Some owed, some not: those who are get theirs, however it is sent. */
TEST(many, owed_to_some)
{
	struct cpumask few = some_others(FEW);

	if (lacks_cpus(3))
		return;
	for (int i = 0; i < 8; i++) {
		unsigned int ahead = 0;

		clear_runs();
		REQUIRE(hold_cpus(&few));
		for_each_cpu(cpu, &few) {
			if (cpu % 2 == (unsigned int)i % 2)
				continue;
			EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, false), 0);
			ahead++;
		}
		EXPECT_EQ(smp_call_function_many(&few, count_run, NULL, false), 0);
		release_cpus();
		EXPECT_EQ(kick_all_cpus_sync(), 0);
		EXPECT_EQ(all_runs(), ahead + cpumask_weight(&few));
		for_each_cpu(cpu, &few)
			EXPECT_EQ(runs(cpu), 1 + (cpu % 2 != (unsigned int)i % 2));
	}
}

static atomic_bool slow_is_over;

static void be_slow(void *unused)
{
	uint64_t start = clock_ns();

	(void)unused;
	while (clock_ns() - start < 5000000)
		cpu_relax();
	atomic_store_explicit(&slow_is_over, true, memory_order_relaxed);
}

/* A wait ends when the last one is done. */
TEST(many, waits_for_the_slowest)
{
	struct cpumask few = some_others(FEW);

	for_each_cpu(cpu, &few) {
		atomic_store_explicit(&slow_is_over, false, memory_order_relaxed);
		EXPECT_EQ(smp_call_function_single(cpu, be_slow, NULL, false), 0);
		EXPECT_EQ(kick_all_cpus_sync(), 0);
		EXPECT(atomic_load_explicit(&slow_is_over, memory_order_relaxed));
	}
}

static void read_calls_run(void *count)
{
	*(uint64_t *)count = this_cpu->calls_run;
}

/* Every other CPU came by between the two that read, the idle ones too. */
TEST(many, kick_reaches_each)
{
	struct cpumask few = some_others(FEW);

	for_each_cpu(cpu, &few) {
		uint64_t before, after;

		EXPECT_EQ(smp_call_function_single(cpu, read_calls_run, &before, true), 0);
		EXPECT_EQ(kick_all_cpus_sync(), 0);
		EXPECT_EQ(smp_call_function_single(cpu, read_calls_run, &after, true), 0);
		EXPECT(after >= before + 2);
	}
}

static void expect_nearest(const struct cpumask *mask)
{
	struct cpumask online = mask_and(mask, &cpu_online_mask), where;
	unsigned int me = this_cpu->index, chosen;

	where = ran_on();
	chosen = cpumask_next(&where, 0);
	EXPECT_EQ(all_runs(), 1);
	REQUIRE(chosen < MAX_CPUS && cpumask_test(&online, chosen));
	for_each_cpu(cpu, &online)
		EXPECT(arch_cpu_distance(me, chosen) <= arch_cpu_distance(me, cpu));
}

static void try_any(void *unused)
{
	(void)unused;
	for (unsigned int i = 0; i < MASKS_MAX; i++) {
		struct cpumask mask = some_mask(i), online = mask_and(&mask, &cpu_online_mask);
		int wanted_error = cpumask_weight(&online) ? 0 : -ENXIO;

		clear_runs();
		EXPECT_EQ(smp_call_function_any(&mask, count_run, NULL, true), wanted_error);
		if (wanted_error)
			EXPECT_EQ(all_runs(), 0);
		else
			expect_nearest(&mask);
	}
}

/* From the last CPU, too: for the first, the nearest is mostly the lowest number. */
TEST(any, nearest_first)
{
	unsigned int last = this_cpu->index;

	for_each_cpu(cpu, &cpu_online_mask)
		last = cpu;
	try_any(NULL);
	EXPECT_EQ(work_run(last, try_any, NULL), 0);
}

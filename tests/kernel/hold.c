/*
 * Held CPUs and counted runs. Nothing here orders memory.
 */
#include "hold.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <stdatomic.h>

static atomic_bool hold;
static atomic_uint held;
static atomic_uint runs_on[MAX_CPUS];

static void stay(void *unused)
{
	(void)unused;
	atomic_fetch_add_explicit(&held, 1, memory_order_relaxed);
	while (atomic_load_explicit(&hold, memory_order_relaxed))
		cpu_relax();
	atomic_fetch_sub_explicit(&held, 1, memory_order_relaxed);
}

static unsigned int now_held(void)
{
	return atomic_load_explicit(&held, memory_order_relaxed);
}

bool hold_cpus(const struct cpumask *mask)
{
	unsigned int count = 0;

	atomic_store_explicit(&hold, true, memory_order_relaxed);
	for_each_cpu(cpu, mask) {
		EXPECT_EQ(smp_call_function_single(cpu, stay, NULL, false), 0);
		count++;
	}
	return WAIT_UNTIL(now_held() == count);
}

bool hold_cpu(unsigned int cpu)
{
	struct cpumask mask = mask_of(cpu);

	return hold_cpus(&mask);
}

void release_cpus(void)
{
	atomic_store_explicit(&hold, false, memory_order_relaxed);
	EXPECT(WAIT_UNTIL(now_held() == 0));
}

void count_run(void *unused)
{
	(void)unused;
	EXPECT(irqs_disabled());
	atomic_fetch_add_explicit(&runs_on[this_cpu->index], 1, memory_order_relaxed);
}

void clear_runs(void)
{
	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
		atomic_store_explicit(&runs_on[cpu], 0, memory_order_relaxed);
}

unsigned int runs(unsigned int cpu)
{
	return atomic_load_explicit(&runs_on[cpu], memory_order_relaxed);
}

unsigned int all_runs(void)
{
	unsigned int sum = 0;

	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
		sum += runs(cpu);
	return sum;
}

struct cpumask ran_on(void)
{
	struct cpumask where = { 0 };

	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++) {
		EXPECT(runs(cpu) <= 1);
		if (runs(cpu))
			cpumask_set(&where, cpu);
	}
	return where;
}

struct cpumask some_others(unsigned int count)
{
	struct cpumask some = { 0 };

	for_each_cpu(cpu, &cpu_online_mask) {
		if (cpu == this_cpu->index)
			continue;
		if (!count--)
			break;
		cpumask_set(&some, cpu);
	}
	return some;
}

struct cpumask all_others(void)
{
	return some_others(MAX_CPUS);
}

struct cpumask mask_of(unsigned int cpu)
{
	struct cpumask mask = { 0 };

	cpumask_set(&mask, cpu);
	return mask;
}

struct cpumask mask_and(const struct cpumask *a, const struct cpumask *b)
{
	struct cpumask mask = { 0 };

	for (unsigned int i = 0; i < CPUMASK_WORDS; i++)
		cpumask_set_word(&mask, i, cpumask_word(a, i) & cpumask_word(b, i));
	return mask;
}

bool mask_equal(const struct cpumask *a, const struct cpumask *b)
{
	for (unsigned int i = 0; i < CPUMASK_WORDS; i++) {
		if (cpumask_word(a, i) != cpumask_word(b, i))
			return false;
	}
	return true;
}

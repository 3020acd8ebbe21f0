/*
 * Random changes by all CPUs at once, for a while.
 */
#include "stale.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/time.h>
#include <kernel/console/printk.h>
#include <kernel/smp/cpu.h>
#include <kernel/sched/work.h>
#include <lib/cpumask.h>
#include <lib/random.h>

#define WORKERS 4 /* at most: they spin, and cores may be few */
#define STEPS   400

static void fail(const char *text)
{
	test_fail(__FILE__, __LINE__, "%s", text);
}

static void make_steps(void *seed)
{
	uint64_t random = *(uint64_t *)seed + this_cpu->index;

	random = random_next(&random);
	for (unsigned int i = 0; i < STEPS; i++)
		stale_step(&random);
	stale_leave();
}

TEST(tlb, random_changes)
{
	uint64_t seed = test_random();
	struct stale_counts counts;
	unsigned int workers = 1;

	REQUIRE(!stale_begin(fail));
	for_each_cpu(cpu, &cpu_online_mask) {
		if (cpu != this_cpu->index && workers < WORKERS) {
			EXPECT_EQ(work_start(cpu, make_steps, &seed), 0);
			workers++;
		}
	}
	make_steps(&seed);
	for_each_cpu(cpu, &cpu_online_mask)
		work_wait(cpu);
	stale_end(true);
	counts = stale_counts();
	printk("# %lu looks, %lu writes, %lu changes\n", counts.looks, counts.writes,
	       counts.changes);
	EXPECT(counts.looks && counts.writes && counts.changes);
}

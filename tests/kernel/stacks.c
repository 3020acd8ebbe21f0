/*
 * Stacks of threads, made before frames are counted.
 */
#include "stacks.h"
#include <arch/cpu.h>
#include <kernel/console/printk.h>
#include <kernel/sched/completion.h>
#include <kernel/sched/work.h>
#include <kernel/smp/cpu.h>
#include <lib/cpumask.h>

static void wait_for_the_others(void *all_there)
{
	wait_for_completion(all_there);
}

void make_work_stacks(void)
{
	struct completion all_there = { 0 };

	for_each_cpu(cpu, &cpu_online_mask) {
		if (cpu != this_cpu->index && work_start(cpu, wait_for_the_others, &all_there))
			printk("# no stack for a thread of CPU %u\n", cpu);
	}
	complete_all(&all_there);
	for_each_cpu(cpu, &cpu_online_mask)
		work_wait(cpu);
}

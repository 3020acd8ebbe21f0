/*
 * Shows CPUs as they come up: a bar that only ever grows, so that it reads well
 * on a serial line and in a log too.
 */
#include <arch/machine.h>
#include <arch/time.h>
#include <kernel/console/printk.h>
#include <kernel/progress.h>
#include <kernel/smp/cpu.h>
#include <lib/string.h>

#define BAR_CELLS 20
#define CELL      "█"

static unsigned int cells_shown, now_online, now_failed, now_total;
static uint64_t started;

uint64_t progress_online_ticks;

void progress_cpus(unsigned int online, unsigned int failed, unsigned int total)
{
	unsigned int wanted = online * BAR_CELLS / total;

	if (!started) {
		started = clock_ns();
		printk("cpus  ");
	}
	now_online = online;
	now_failed = failed;
	now_total = total;
	for (; cells_shown < wanted; cells_shown++)
		printk(CELL);
}

static void print_missing(unsigned int cpu)
{
	struct cpu_place place;

	if (!arch_cpu_place(cpu, &place) || cpumask_test(&cpu_online_mask, cpu))
		return;
	printk("smp: CPU %u (APIC id %u) did not come up: %s, last stage: %s, APIC errors %#x\n",
	       cpu, place.apic_id, place.state, place.stage, place.error);
}

void progress_done(void)
{
	uint64_t us = (clock_ns() - started) / 1000;

	progress_online_ticks = arch_ticks_since_entry();

	printk(" %u/%u   %u failed   %lu.%lu ms\n", now_online, now_total, now_failed, us / 1000,
	       us % 1000 / 100);
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		print_missing(cpu);
}

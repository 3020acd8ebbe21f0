/*
 * The machine report: what this machine is, and what its IPIs cost.
 */
#include <arch/cpu.h>
#include <arch/machine.h>
#include <arch/mm.h>
#include <arch/time.h>
#include <kernel/console/printk.h>
#include <kernel/mm/frames.h>
#include <kernel/monitor/monitor.h>
#include <kernel/report/matrix.h>
#include <kernel/report/tlb.h>
#include <kernel/report/tsc_offset.h>
#include <kernel/run.h>
#include <kernel/smp/cpu.h>
#include <kernel/version.h>

#define TABLE_MAX 64 /* CPUs shown one by one */

static void print_machine(void)
{
	const char *hypervisor = cpu_hypervisor();

	printk("\n%s, microcode %#x, %s\n", cpu_model(), arch_microcode(),
	       hypervisor ? hypervisor : "bare metal");
	printk("%u CPUs online of %u   %s   TSC %lu.%02lu GHz (%s)   memory %lu MB, %lu MB free\n",
	       cpumask_weight(&cpu_online_mask), nr_cpus, arch_apic_mode(), tsc_hz / 1000000000,
	       tsc_hz / 10000000 % 100, tsc_source, frames_total() * PAGE_SIZE >> 20,
	       frames_free() * PAGE_SIZE >> 20);
	printk("Nudge %s, commit %s, built with %s\n", nudge_version, nudge_commit, nudge_compiler);
	if (hypervisor)
		printk("These times are %s's, not a hardware's.\n", hypervisor);
}

static void print_cpu(unsigned int cpu)
{
	struct cpu_place place;
	struct tsc_offset offset;

	arch_cpu_place(cpu, &place);
	if (!cpu_online(cpu)) {
		printk("%4u  %8u  %s, last stage: %s\n", cpu, place.apic_id, place.state,
		       place.stage);
		return;
	}
	offset = tsc_offset_measure(cpu);
	printk("%4u  %8u  %7u  %4u  %6u  %+6ld ns (±%lu)\n", cpu, place.apic_id, place.package,
	       place.core, place.thread, offset.ns, offset.error_ns);
}

static void print_cpus(void)
{
	printk("\n cpu   apic id  package  core  thread  TSC against CPU 0\n");
	for (unsigned int cpu = 0; cpu < nr_cpus && cpu < TABLE_MAX; cpu++)
		print_cpu(cpu);
	if (nr_cpus > TABLE_MAX)
		printk("  … and %u more\n", nr_cpus - TABLE_MAX);
}

static enum verdict run_report(void)
{
	print_machine();
	print_cpus();
	tlb_report();
	matrix_report();
	return VERDICT_PASS;
}
RUN_MODE(report, run_report);

static void report(const char *arguments)
{
	(void)arguments;
	run_report();
}
COMMAND(report, "the machine, its CPUs, and what IPIs cost between them", report);

static void show_cpus(const char *arguments)
{
	(void)arguments;
	print_cpus();
}
COMMAND(cpus, "the CPUs: APIC ids, topology, clocks", show_cpus);

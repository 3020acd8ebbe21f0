/*
 * The counters: which IPIs each CPU sent and which interrupts it took.
 */
#include <arch/ipi.h>
#include <kernel/console/printk.h>
#include <kernel/monitor/monitor.h>
#include <kernel/smp/cpu.h>

static const struct {
	unsigned int vector;
	const char *name;
} shown[] = {
	{ CALL_FUNCTION_SINGLE_VECTOR, "CALL_FUNCTION_SINGLE" },
	{ CALL_FUNCTION_VECTOR, "CALL_FUNCTION" },
	{ RESCHEDULE_VECTOR, "RESCHEDULE" },
	{ TLB_FLUSH_VECTOR, "TLB_FLUSH" },
	{ IRQ_WORK_VECTOR, "IRQ_WORK" },
	{ LOCAL_TIMER_VECTOR, "timer" },
};

static void print_cpu(const struct cpu *cpu)
{
	printk("CPU %u  calls run %lu  refused for want of a descriptor %lu\n", cpu->index,
	       cpu->calls_run, cpu->csd_exhausted);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		unsigned int vector = shown[i].vector;

		if (cpu->ipi_sent[vector] || cpu->irq_count[vector])
			printk("  %#x %-22s sent %8lu  taken %8lu\n", vector, shown[i].name,
			       cpu->ipi_sent[vector], cpu->irq_count[vector]);
	}
}

static void ipis(const char *arguments)
{
	(void)arguments;
	for_each_cpu(cpu, &cpu_online_mask)
		print_cpu(cpus[cpu]);
}
COMMAND(ipis, "counters of the IPIs sent and taken by each CPU", ipis);

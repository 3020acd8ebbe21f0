/*
 * Asking CPUs what they do, by NMI.
 */
#include "capture.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/console/printk.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/nmi.h>
#include <lib/errno.h>
#include <lib/string.h>

/* Each CPU's part begins with its line and holds nothing but its addresses. */
static bool whole_part(unsigned int cpu)
{
	const char *line = capture_find(NULL, text("CPU %u  ", cpu));
	unsigned int addresses = 0;

	if (!line)
		return false;
	for (line = strchr(line, '\n'); line && !strncmp(line, "\n     ", 6);
	     line = strchr(line + 1, '\n'))
		addresses++;
	return addresses && line && (!strncmp(line, "\nCPU ", 5) || !strncmp(line, "\n#", 2));
}

TEST(nmi, backtrace_of_every_cpu)
{
	unsigned int cpu = other_cpu(1);

	capture_start();
	if (cpu < MAX_CPUS)
		EXPECT(make_deaf(cpu, "# end"));
	EXPECT_EQ(nmi_backtrace(&cpu_online_mask), 0);
	printk("# end\n");
	EXPECT(WAIT_UNTIL(!atomic_load(&deaf)));
	capture_end();
	for_each_cpu(each, &cpu_online_mask) {
		if (!whole_part(each))
			test_fail(__FILE__, __LINE__, "no whole backtrace of CPU %u", each);
	}
	EXPECT(capture_has(text("CPU %u  interrupts on", this_cpu->index),
			   "nmi_backtrace_of_every_cpu+"));
	if (cpu < MAX_CPUS)
		EXPECT(capture_has(text("CPU %u  interrupts off", cpu), "     spin_deaf+",
				   "     isr_call_function_single"));
}

TEST(nmi, backtrace_of_nobody)
{
	struct cpumask mask = { 0 };

	EXPECT_EQ(nmi_backtrace(NULL), -EINVAL);
	EXPECT_EQ(nmi_backtrace(&mask), 0);
	cpumask_set(&mask, MAX_CPUS - 1);
	cpumask_set(&mask, this_cpu->index);
	capture_start();
	irq_disable();
	EXPECT_EQ(nmi_backtrace(&mask), 0);
	EXPECT(irqs_disabled());
	irq_enable();
	EXPECT(nmi_try_begin());
	EXPECT_EQ(nmi_backtrace(&mask), -EBUSY);
	nmi_end();
	capture_end();
	EXPECT(capture_has(text("CPU %u  interrupts off, in\n", this_cpu->index),
			   "nmi_backtrace_of_nobody+"));
	if (nr_cpus < MAX_CPUS)
		EXPECT(capture_find(NULL, text("CPU %u  is not online\n", MAX_CPUS - 1)));
}

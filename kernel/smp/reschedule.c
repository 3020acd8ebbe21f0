/*
 * Sending RESCHEDULE.
 */
#include <arch/ipi.h>
#include <arch/irq.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/reschedule.h>

void smp_send_reschedule(unsigned int cpu)
{
	unsigned long flags = irq_save();

	this_cpu->ipi_sent[RESCHEDULE_VECTOR]++;
	arch_send_ipi(cpu, RESCHEDULE_VECTOR);
	irq_restore(flags);
}

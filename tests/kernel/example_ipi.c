/*
 * How to add an IPI: pick a free vector, register its handler, send it. This file
 * is the example that the README names, and it is run by every `make test`.
 */
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/smp/cpu.h>
#include <stdatomic.h>

static atomic_uint greetings;

static void on_greeting(void) /* on the CPU that was nudged, interrupts off */
{
	atomic_fetch_add_explicit(&greetings, 1, memory_order_release);
}

static void greet(unsigned int cpu)
{
	unsigned long flags = irq_save();

	arch_send_ipi(cpu, EXAMPLE_VECTOR);
	irq_restore(flags);
}

TEST(example, an_ipi_in_twenty_lines)
{
	unsigned int sent = 0;

	REQUIRE(!irq_register(EXAMPLE_VECTOR, on_greeting));
	for_each_cpu(cpu, &cpu_online_mask) {
		greet(cpu);
		sent++;
		EXPECT(WAIT_UNTIL(atomic_load_explicit(&greetings, memory_order_acquire) == sent));
	}
	irq_register(EXAMPLE_VECTOR, NULL);
}

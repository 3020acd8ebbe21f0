/*
 * A deaf CPU is one in a function that does not end: interrupts are off there.
 */
#include "stuck.h"
#include "capture.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/time/tick.h>
#include <lib/printf.h>
#include <stdarg.h>

atomic_bool deaf;

void __attribute__((noinline)) spin_deaf(void *info)
{
	spin_deaf_here(info);
}

bool make_stuck(unsigned int cpu, void (*func)(void *), const char *until)
{
	capture_listen_for(until);
	atomic_store(&deaf, false);
	return !smp_call_function_single(cpu, func, NULL, false) && WAIT_UNTIL(atomic_load(&deaf));
}

bool make_deaf(unsigned int cpu, const char *until)
{
	return make_stuck(cpu, spin_deaf, until);
}

uint64_t short_deadline_ns(void)
{
	return (60 + nr_cpus) * 1000000ull;
}

unsigned int other_cpu(unsigned int nth)
{
	for_each_cpu(cpu, &cpu_online_mask) {
		if (cpu != this_cpu->index && !--nth)
			return cpu;
	}
	return MAX_CPUS;
}

bool lacks_cpus(unsigned int wanted)
{
	if (cpumask_weight(&cpu_online_mask) >= wanted)
		return false;
	test_skip(wanted == 2 ? "needs two CPUs" : "needs three CPUs");
	return true;
}

bool lacks_tick(void)
{
	if (!tick_period_ns())
		test_skip("no tick");
	return !tick_period_ns();
}

bool lacks_timer(void)
{
	const volatile uint64_t *taken = &this_cpu->self->irq_count[LOCAL_TIMER_VECTOR];
	unsigned long flags = irq_save();
	uint64_t before = *taken;
	int error = tick_come_soon();

	irq_restore(flags);
	if (error)
		test_skip("no timer");
	else
		EXPECT(WAIT_UNTIL(*taken != before));
	return error;
}

const char *text(const char *format, ...)
{
	static char lines[8][160];
	static unsigned int next;
	char *line = lines[next++ % 8];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(lines[0]), format, args);
	va_end(args);
	return line;
}

/*
 * A waited call with interrupts off is warned of with how it was come to, once for each place in
 * the code that makes one; so only the first time in a boot.
 */
#include "capture.h"
#include "hold.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>

static void __attribute__((noinline)) single_here(unsigned int cpu)
{
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), -EDEADLK);
}

static void __attribute__((noinline)) single_there(unsigned int cpu)
{
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), -EDEADLK);
}

static bool yes(unsigned int cpu, void *info)
{
	(void)cpu;
	(void)info;
	return true;
}

static void __attribute__((noinline)) cond_here(unsigned int cpu)
{
	(void)cpu;
	EXPECT_EQ(on_each_cpu_cond_mask(yes, count_run, NULL, true, NULL), -EDEADLK);
}

static void __attribute__((noinline)) many_there(unsigned int cpu)
{
	(void)cpu;
	EXPECT_EQ(smp_call_function(count_run, NULL, true), -EDEADLK);
}

static void call_from(void (*here)(unsigned int cpu), void (*there)(unsigned int cpu))
{
	unsigned int cpu = other_cpu(1);

	clear_runs();
	capture_start();
	irq_disable();
	for (int i = 0; i < 3; i++) {
		here(cpu);
		there(cpu);
	}
	EXPECT(irqs_disabled());
	irq_enable();
	capture_end();
	EXPECT_EQ(all_runs(), 0);
}

static unsigned int count_warnings(void)
{
	unsigned int count = 0;

	for (const char *at = capture_find(NULL, "WARNING"); at;
	     at = capture_find(at + 1, "WARNING"))
		count++;
	return count;
}

TEST(smp, each_place_is_warned_of)
{
	const char *warning;
	static bool again;

	if (lacks_cpus(2))
		return;
	call_from(single_here, single_there);
	warning = text("WARNING: smp: waited call to CPU %u with interrupts off\n", other_cpu(1));
	EXPECT_EQ(count_warnings(), again ? 0 : 2);
	EXPECT(again ||
	       capture_has(warning, "     single_here+", "     smp_each_place_is_warned_of+",
			   warning, "     single_there+", "     smp_each_place_is_warned_of+"));
	again = true;
}

TEST(many, each_place_is_warned_of)
{
	const char *warning = "WARNING: smp: waited call to many CPUs with interrupts off\n";
	static bool again;

	if (lacks_cpus(2))
		return;
	call_from(cond_here, many_there);
	EXPECT_EQ(count_warnings(), again ? 0 : 2);
	EXPECT(again ||
	       capture_has(warning, "     cond_here+", "     many_each_place_is_warned_of+",
			   warning, "     many_there+", "     many_each_place_is_warned_of+"));
	again = true;
}

/*
 * The tick of each CPU.
 */
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/time.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/watch.h>
#include <kernel/time/sleep.h>
#include <kernel/time/tick.h>

static uint64_t ticked_at[MAX_CPUS];

static uint64_t last_tick(unsigned int cpu)
{
	return atomic_load_explicit(&cpus[cpu]->tick.last, memory_order_relaxed);
}

TEST(tick, comes_on_every_cpu)
{
	if (lacks_tick())
		return;
	watch_set_deadline_ns(short_deadline_ns());
	EXPECT_EQ(tick_period_ns(), short_deadline_ns() / 4);
	for_each_cpu(cpu, &cpu_online_mask)
		ticked_at[cpu] = last_tick(cpu);
	for_each_cpu(cpu, &cpu_online_mask)
		EXPECT(WAIT_UNTIL(last_tick(cpu) != ticked_at[cpu]));
	tick_suspend();
	for_each_cpu(cpu, &cpu_online_mask)
		ticked_at[cpu] = last_tick(cpu);
	sleep_ns(short_deadline_ns());
	for_each_cpu(cpu, &cpu_online_mask)
		EXPECT_EQ(last_tick(cpu), ticked_at[cpu]);
	tick_resume();
	for_each_cpu(cpu, &cpu_online_mask)
		EXPECT(WAIT_UNTIL(last_tick(cpu) != ticked_at[cpu]));
	watch_set_deadline_ns(0);
}

/* Sleeps, not a moment less than that; whether a tick came meanwhile. */
static bool ticks_while_asleep(uint64_t ns)
{
	uint64_t start = clock_ns(), tick = last_tick(this_cpu->index);

	sleep_ns(ns);
	EXPECT(clock_ns() - start >= ns);
	return last_tick(this_cpu->index) != tick;
}

/* The tick comes while one sleeps, and ends no sleep early. */
TEST(tick, shares_the_timer_with_a_sleeper)
{
	if (lacks_tick())
		return;
	tick_set_period(2000000);
	for (int i = 0; i < 5; i++)
		EXPECT(WAIT_UNTIL(ticks_while_asleep(10000000)));
	watch_set_deadline_ns(0);
	EXPECT_EQ(tick_period_ns(), stall_deadline_ns() / 4);
}

/*
 * Clocks and the local timer.
 */
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <boot/boot_info.h>
#include <kernel/progress.h>
#include <kernel/report/tsc_offset.h>
#include <kernel/smp/cpu.h>
#include <kernel/time/sleep.h>
#include <lib/string.h>

TEST(time, tsc_was_measured)
{
	EXPECT(tsc_hz > 50000000 && tsc_hz < 20000000000);
	EXPECT(strcmp(tsc_source, "assumed") && strcmp(tsc_source, "unknown"));
}

/* From there on boot.online counts. */
TEST(time, entry_was_read_before_c)
{
	uint64_t now = cycles();

	EXPECT(boot_info.entry_ticks > 0);
	EXPECT(boot_info.entry_ticks < now);
	EXPECT(progress_online_ticks > 0);
	EXPECT(progress_online_ticks < now - boot_info.entry_ticks);
}

TEST(time, conversions)
{
	EXPECT_EQ(ns_to_cycles(1000000000), tsc_hz);
	EXPECT(cycles_to_ns(tsc_hz) >= 999999990 && cycles_to_ns(tsc_hz) <= 1000000010);
	EXPECT(cycles_to_ns(ns_to_cycles(123456789000)) / 1000 >= 123456788);
}

TEST(time, never_runs_backwards_here)
{
	uint64_t last = cycles_ordered();

	for (int i = 0; i < 1000; i++) {
		uint64_t now = cycles_ordered();

		EXPECT(now >= last);
		last = now;
	}
}

TEST(time, timer_wakes_a_halted_cpu)
{
	uint64_t start, taken;

	if (lacks_timer())
		return;
	start = clock_ns();
	taken = this_cpu->irq_count[LOCAL_TIMER_VECTOR];
	sleep_ns(2000000);
	EXPECT(clock_ns() - start >= 2000000);
	EXPECT(this_cpu->irq_count[LOCAL_TIMER_VECTOR] > taken);
	EXPECT(!irqs_disabled());
}

TEST(time, offsets_can_be_measured)
{
	for_each_cpu(cpu, &cpu_online_mask) {
		struct tsc_offset offset = tsc_offset_measure(cpu);

		EXPECT(offset.error_ns < 1000000000);
		EXPECT(offset.ns < 10000000000 && offset.ns > -10000000000);
	}
}

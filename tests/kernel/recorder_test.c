/*
 * The flight recorder's print: hand-written events whose TSCs contradict what caused what. It is
 * printed once in a boot, so this is a test by itself.
 */
#include "capture.h"
#include "hold.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <kernel/debug/recorder.h>
#include <kernel/sched/work.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/irq_work.h>

/* What a call is known by; nobody makes these. */
enum { TO_ONE = 0xca111, TO_MANY, BACK };

static void called(void *info)
{
	(void)info;
}

static void nothing(struct irq_work *work)
{
	(void)work;
}

/* Lets that CPU take one IPI after the other. */
static void send_each(unsigned int cpu)
{
	static struct irq_work work = { .func = nothing };
	struct cpumask mask = mask_of(cpu);

	EXPECT(irq_work_queue_on(&work, cpu));
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&work)));
	EXPECT_EQ(smp_call_function_single(cpu, called, NULL, true), 0);
	EXPECT_EQ(smp_call_function_many(&mask, called, NULL, true), 0);
}

static void expect_each(unsigned int here, unsigned int there)
{
	EXPECT(capture_has(text("CPU %u  takes IRQ_WORK in ", there),
			   text("CPU %u  takes CALL_FUNCTION_SINGLE in ", there),
			   text("CPU %u  finds called(0x0) from %u", there, here),
			   text("CPU %u  takes CALL_FUNCTION in ", there),
			   text("CPU %u  finds called(0x0) from %u", there, here)));
}

struct script {
	const struct recorder_event *events;
	unsigned int count;
};

static void write_script(void *info)
{
	const struct script *script = info;
	unsigned long flags = irq_save();

	for (unsigned int i = 0; i < script->count; i++) {
		struct recorder_event event = script->events[i];

		event.where = (uint64_t)called;
		recorder_write(event);
	}
	irq_restore(flags);
}

/* The events of a CPU get the TSCs at, at + 1, and so on. */
static void set_tsc(unsigned int cpu, uint64_t at)
{
	for (unsigned int i = 0; i < recorder_count(cpu); i++)
		((struct recorder_event *)recorder_event(cpu, i))->tsc = at++;
}

/* Whether each call stands in front of what it caused. */
static void expect_causes_first(unsigned int here, unsigned int there)
{
	EXPECT(capture_has(text("CPU %u  calls called(%#x) to %u", here, TO_ONE, there),
			   text("CPU %u  finds called(%#x) from %u", there, TO_ONE, here)));
	EXPECT(capture_has(text("CPU %u  calls called(%#x) to many", here, TO_MANY),
			   text("CPU %u  runs called(%#x) from %u", there, TO_MANY, here)));
	EXPECT(capture_has(text("CPU %u  calls called(%#x) to %u", there, BACK, here),
			   text("CPU %u  runs called(%#x) from %u", here, BACK, there)));
}

/*
 * By their TSCs all that was written there comes first. But what is found and run there was
 * called here, and what runs here at last was called there.
 */
TEST(deliberate, recorder_puts_causes_first)
{
	unsigned int here = this_cpu->index, there = other_cpu(1);
	const struct recorder_event first[] = {
		{ .kind = RECORDED_CALL, .peer = (uint16_t)there, .call = TO_ONE },
		{ .kind = RECORDED_CALL, .peer = RECORDER_MANY, .call = TO_MANY },
		{ .kind = RECORDED_BEGIN, .peer = (uint16_t)there, .call = BACK },
	};
	const struct recorder_event second[] = {
		{ .kind = RECORDED_FOUND, .peer = (uint16_t)here, .call = TO_ONE },
		{ .kind = RECORDED_BEGIN, .peer = (uint16_t)here, .call = TO_MANY },
		{ .kind = RECORDED_CALL, .peer = (uint16_t)here, .call = BACK },
	};
	struct script scripts[] = { { first, 3 }, { second, 3 } };

	if (lacks_cpus(2))
		return;
	REQUIRE(!recorder_start());
	write_script(&scripts[0]);
	EXPECT_EQ(work_run(there, write_script, &scripts[1]), 0);
	send_each(there);
	recorder_freeze();
	set_tsc(here, 2000);
	set_tsc(there, 1000);
	capture_start();
	recorder_print(RECORDER_LINES);
	capture_end();
	recorder_stop();
	expect_causes_first(here, there);
	expect_each(here, there);
}

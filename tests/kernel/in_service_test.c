/*
 * An IPI that was taken and is not acknowledged: its CPU is stuck between the vector's
 * entry and the EOI. The report must say so, and must not send the IPI again.
 */
#include "capture.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/watch.h>
#include <kernel/time/tick.h>

static atomic_uint runs;

static void count_run(void *info)
{
	(void)info;
	atomic_fetch_add(&runs, 1);
}

/* In place of the handler, and before it: the EOI comes when the report was heard. */
static bool be_stuck_before_eoi(unsigned int vector)
{
	(void)vector;
	if (!atomic_load(&capture_heard))
		spin_deaf(NULL);
	return true;
}

/* Until the report was heard, the CPU is before the EOI of a call that nobody waits for. */
static void begin(unsigned int cpu)
{
	watch_set_deadline_ns(short_deadline_ns());
	tick_suspend();
	atomic_store(&runs, 0);
	atomic_store(&deaf, false);
	capture_start();
	capture_listen_for("STALL: ");
	EXPECT_EQ(ipi_set_filter(CALL_FUNCTION_SINGLE_VECTOR, be_stuck_before_eoi), 0);
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, false), 0);
	EXPECT(WAIT_UNTIL(atomic_load(&deaf)));
}

static void wait_and_end(unsigned int cpu, const char *where_the_ipis_are)
{
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), 0);
	ipi_set_filter(CALL_FUNCTION_SINGLE_VECTOR, NULL);
	capture_end();
	tick_resume();
	watch_set_deadline_ns(0);
	EXPECT_EQ(atomic_load(&runs), 2);
	EXPECT(capture_has(text("STALL: CPU %u waits ", this_cpu->index),
			   text("for CPU %u to run count_run, called from wait_and_end", cpu),
			   text("on CPU %u ", cpu), where_the_ipis_are,
			   ", interrupts off, in spin_deaf+", "     be_stuck_before_eoi+",
			   text("STALL over: CPU %u ran count_run", cpu), "unstuck after"));
	EXPECT(!capture_find(NULL, "again"));
}

TEST(watch, ipi_in_service)
{
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	begin(cpu);
	wait_and_end(cpu, "CALL_FUNCTION_SINGLE is in service (ISR), interrupts off");
}

/* The second of the two waits for the first one's EOI, although its number is higher. */
TEST(watch, ipi_in_service_and_another_behind_it)
{
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	begin(cpu);
	irq_disable();
	this_cpu->ipi_sent[CALL_FUNCTION_VECTOR]++;
	arch_send_ipi(cpu, CALL_FUNCTION_VECTOR);
	irq_enable();
	wait_and_end(cpu, "CALL_FUNCTION_SINGLE is in service (ISR) and CALL_FUNCTION pending "
			  "(IRR), interrupts off");
}

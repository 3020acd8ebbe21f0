/*
 * An IPI of each kind lost on purpose: what was lost is told by its name, and is sent again.
 */
#include "capture.h"
#include "crew.h"
#include "hold.h"
#include "mm.h"
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/time.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/fault.h>
#include <kernel/smp/irq_work.h>
#include <kernel/smp/stall.h>
#include <kernel/smp/watch.h>
#include <kernel/time/tick.h>

static uint64_t dropped_before;

static void lose(unsigned int vector)
{
	watch_set_deadline_ns(short_deadline_ns());
	capture_start();
	dropped_before = fault_count(FAULT_DROP);
	EXPECT_EQ(fault_set(FAULT_DROP, vector, 1000), 0);
}

/* One at least was lost; from here on none is. */
static void lose_no_more(unsigned int vector)
{
	EXPECT(WAIT_UNTIL(fault_count(FAULT_DROP) > dropped_before));
	EXPECT_EQ(fault_set(FAULT_DROP, vector, 0), 0);
}

static void end(void)
{
	capture_end();
	watch_set_deadline_ns(0);
}

/* The waiter's call stands behind the one whose IPI was lost, and so sends none. */
TEST(fault, lost_call_to_many)
{
	unsigned int cpu = other_cpu(1);
	struct cpumask one;

	if (lacks_cpus(2))
		return;
	one = mask_of(cpu);
	clear_runs();
	tick_suspend();
	lose(CALL_FUNCTION_VECTOR);
	EXPECT_EQ(smp_call_function_many(&one, count_run, NULL, false), 0);
	lose_no_more(CALL_FUNCTION_VECTOR);
	EXPECT_EQ(smp_call_function_many(&one, count_run, NULL, true), 0);
	end();
	tick_resume();
	EXPECT_EQ(runs(cpu), 2);
	EXPECT(capture_has(text("STALL: CPU %u waits ", this_cpu->index),
			   text("for CPU %u to run count_run, called from fault_lost_call_to_many",
				cpu),
			   text("on CPU %u CALL_FUNCTION_SINGLE and CALL_FUNCTION are absent "
				"(IRR and ISR), the queue is not empty",
				cpu),
			   text("CALL_FUNCTION_SINGLE is sent to CPU %u again", cpu),
			   text("STALL over: CPU %u ran count_run", cpu)));
}

/* Nobody waits for a wake-up: the tick of another CPU finds it. */
TEST(fault, lost_wake_up)
{
	unsigned int cpu = other_cpu(1);
	atomic_uint count = 0;
	struct thread *thread;

	if (lacks_cpus(2) || lacks_tick())
		return;
	if (polls()) {
		test_skip("an idle CPU that polls is sent no IPI");
		return;
	}
	thread = make_rt(cpu, 1, add_one, &count);
	REQUIRE(thread);
	EXPECT(WAIT_UNTIL(*(struct thread *volatile *)&cpus[cpu]->current == cpus[cpu]->idle));
	lose(RESCHEDULE_VECTOR);
	EXPECT(thread_wake(thread));
	lose_no_more(RESCHEDULE_VECTOR);
	join(thread);
	EXPECT(WAIT_UNTIL(capture_find(NULL, text("STALL over: CPU %u ", cpu))));
	end();
	EXPECT_EQ(atomic_load(&count), 1);
	EXPECT(capture_has(
		text("STALL: CPU %u has not emptied its wake list for ", cpu),
		"(1 in it, the oldest add_one)",
		text("on CPU %u RESCHEDULE is absent (IRR and ISR), the queue is not empty", cpu),
		text("RESCHEDULE is sent to CPU %u again", cpu),
		text("STALL over: CPU %u emptied its wake list", cpu)));
}

static void stop_losing_flushes(unsigned int cpu)
{
	(void)cpu;
	lose_no_more(TLB_FLUSH_VECTOR);
}

/* Until the first report, so that it is what is sent after it that is taken. */
TEST(fault, lost_flush)
{
	unsigned int cpu = other_cpu(1);
	struct aspace *space;

	if (lacks_cpus(2))
		return;
	space = crew_begin_few();
	REQUIRE(space);
	EXPECT_EQ(aspace_populate(space, TEST_BASE, PAGE_SIZE, 1, MAP_WRITE), 0);
	crew_use(NULL);
	crew_one_uses(cpu, space);
	crew_one_uses(this_cpu->index, space);
	tick_suspend();
	stall_set_hook(stop_losing_flushes);
	lose(TLB_FLUSH_VECTOR);
	EXPECT_EQ(aspace_protect(space, TEST_BASE, PAGE_SIZE, 0), 0);
	stall_set_hook(NULL);
	end();
	tick_resume();
	crew_end(space);
	EXPECT(capture_has(text("STALL: CPU %u waits ", this_cpu->index),
			   text("for CPU %u: flush_range(%#lx, 1 page)", cpu, TEST_BASE),
			   text("on CPU %u TLB_FLUSH is absent (IRR and ISR)", cpu),
			   text("TLB_FLUSH is sent to CPU %u again", cpu),
			   text("STALL over: CPU %u flushed", cpu)));
}

static atomic_uint works, rounds;
static atomic_bool go_on;

static void count_work(struct irq_work *work)
{
	(void)work;
	atomic_fetch_add(&works, 1);
}

static void again_at_each_tick(struct irq_work *work)
{
	atomic_fetch_add(&rounds, 1);
	if (atomic_load(&go_on))
		irq_work_queue(work);
}

static void queue_here(void *work)
{
	EXPECT(irq_work_queue(work));
}

static bool have_gone(unsigned int count)
{
	return atomic_load(&rounds) >= count;
}

/* Work that waits for ticks runs all the while; what waits for the IPI is stuck all the same. */
TEST(fault, lost_irq_work_beside_lazy_work)
{
	static struct irq_work lazy = { .func = again_at_each_tick, .flags = IRQ_WORK_LAZY };
	static struct irq_work urgent = { .func = count_work };
	unsigned int cpu = other_cpu(1);
	uint64_t progress;
	bool is_stuck;

	if (lacks_cpus(2) || lacks_tick())
		return;
	atomic_store(&works, 0);
	atomic_store(&rounds, 0);
	atomic_store(&go_on, true);
	lose(IRQ_WORK_VECTOR);
	EXPECT_EQ(smp_call_function_single(cpu, queue_here, &lazy, true), 0);
	EXPECT(irq_work_queue_on(&urgent, cpu));
	progress = stall_queue_progress(cpu, STALL_IRQ_WORK);
	EXPECT(WAIT_UNTIL(have_gone(2)));
	is_stuck = stall_queue_progress(cpu, STALL_IRQ_WORK) == progress;
	EXPECT(is_stuck);
	lose_no_more(IRQ_WORK_VECTOR);
	EXPECT(is_stuck && WAIT_UNTIL(capture_find(NULL, text("STALL over: CPU %u ", cpu))));
	atomic_store(&go_on, false);
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&lazy) && !irq_work_is_busy(&urgent)));
	end();
	EXPECT_EQ(atomic_load(&works), 1);
	EXPECT(capture_has(text("STALL: CPU %u has not emptied its irq_work queue for ", cpu),
			   "(1 in it, the oldest count_work)",
			   text("on CPU %u IRQ_WORK is absent (IRR and ISR), the queue is not empty",
				cpu),
			   text("IRQ_WORK is sent to CPU %u again", cpu)));
}

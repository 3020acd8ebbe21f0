/*
 * What falls due while a call waits for descriptors. Apart from pool_test.c, which the host builds
 * without threads.
 */
#include "hold.h"
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/sched/preempt.h>
#include <kernel/sched/wake.h>
#include <kernel/sched/work.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/time/tick.h>
#include <lib/errno.h>

#define SELF_IPI_SPINS 100 /* within which an interrupt of this CPU's own arrives */

static atomic_bool is_calling, is_woken, has_run;

static int note_run(void *unused)
{
	(void)unused;
	atomic_store(&has_run, true);
	return 0;
}

/* Preemption is off there, so it waits. */
static bool waits_for_pool(unsigned int cpu)
{
	uint32_t count = *(volatile uint32_t *)&cpus[cpu]->preempt_count;

	return atomic_load(&is_calling) && count & ~PREEMPT_NOTHING_DUE;
}

static void wake_meanwhile(void *urgent)
{
	EXPECT(WAIT_UNTIL(waits_for_pool(0)));
	thread_wake(urgent);
	atomic_store(&is_woken, true);
}

static bool is_woken_while_it_calls(const struct cpumask *few)
{
	atomic_store(&is_calling, true);
	EXPECT_EQ(smp_call_function_many(few, count_run, NULL, false), -EAGAIN);
	for (int i = 0; need_resched() && i < SELF_IPI_SPINS; i++)
		cpu_relax();
	EXPECT(!need_resched());
	atomic_store(&is_calling, false);
	return atomic_load(&is_woken);
}

static void use_up_pool(unsigned int held)
{
	irq_disable();
	while (!smp_call_function_single(held, count_run, NULL, false))
		;
	irq_enable();
}

/* Who is woken where a call waits for descriptors runs before the call returns. */
TEST(pool, wake_up_while_it_is_dry)
{
	struct cpumask few = some_others(2);
	unsigned int held = other_cpu(1), waker = other_cpu(2);
	struct thread *urgent;

	if (lacks_cpus(3))
		return;
	atomic_store(&is_woken, false);
	atomic_store(&has_run, false);
	clear_runs();
	urgent = make_rt(this_cpu->index, 1, note_run, NULL);
	tick_suspend();
	REQUIRE(urgent && hold_cpu(held));
	use_up_pool(held);
	EXPECT_EQ(work_start(waker, wake_meanwhile, urgent), 0);
	EXPECT(WAIT_UNTIL(is_woken_while_it_calls(&few)));
	EXPECT(WAIT_UNTIL(atomic_load(&has_run)));
	release_cpus();
	work_wait(waker);
	tick_resume();
	join(urgent);
	EXPECT_EQ(kick_all_cpus_sync(), 0);
}

/*
 * Calls whose caller is left after every instruction. What cannot be left between two
 * instructions is seen not to be.
 */
#include "step.h"
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include "trap_flag.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <kernel/console/printk.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/queue.h>
#include <kernel/time/tick.h>

static struct csd csds[2];
static atomic_uint ran;
static atomic_bool hold, holding;

static void count_run(void *info)
{
	(void)info;
	atomic_fetch_add(&ran, 1);
}

static void wait_in_function(void *info)
{
	(void)info;
	atomic_store(&holding, true);
	while (atomic_load(&hold))
		cpu_relax();
	atomic_store(&holding, false);
}

static void send_async(void)
{
	smp_call_function_single_async(step.target, &csds[0]);
	smp_call_function_single_async(step.target, &csds[1]);
}

/* Rule 4: whoever sees something in the queue must be able to rely on an IPI. */
static void look_for_owed_ipi(void)
{
	if (peer_queue(step.target)->first &&
	    this_cpu->ipi_sent[CALL_FUNCTION_SINGLE_VECTOR] == step.ipis)
		step.wrong++;
}

TEST(step, async_call_owes_no_ipi_while_others_run)
{
	step.target = other_cpu(1);
	if (lacks_cpus(2) || lacks_tick())
		return;
	atomic_store(&ran, 0);
	atomic_store(&hold, true);
	csds[0] = csds[1] = (struct csd){ .func = count_run };
	EXPECT_EQ(smp_call_function_single(step.target, wait_in_function, NULL, false), 0);
	EXPECT(WAIT_UNTIL(atomic_load(&holding)));
	step.ipis = this_cpu->ipi_sent[CALL_FUNCTION_SINGLE_VECTOR];
	step_through(send_async, look_for_owed_ipi);
	EXPECT_EQ(this_cpu->ipi_sent[CALL_FUNCTION_SINGLE_VECTOR] - step.ipis, 1);
	atomic_store(&hold, false);
	EXPECT(WAIT_UNTIL(atomic_load(&ran) == 2));
}

static void call_and_wait(void)
{
	if (smp_call_function_single(step.target, count_run, NULL, true))
		step.wrong++;
}

static void call_many_and_wait(void)
{
	if (smp_call_function(count_run, NULL, true))
		step.wrong++;
}

static void call_all_and_wait(void)
{
	if (on_each_cpu(count_run, NULL, true))
		step.wrong++;
}

/* Two threads of a CPU wait for the same CPU, each in the middle of the other's call. */
TEST(step, waited_calls_in_the_middle_of_each_other)
{
	step.target = other_cpu(1);
	if (lacks_cpus(2) || lacks_tick())
		return;
	atomic_store(&ran, 0);
	step_through(call_and_wait, call_and_wait);
	EXPECT_EQ(atomic_load(&ran), 1 + step.intrusions);
	atomic_store(&ran, 0);
	step_through(call_many_and_wait, call_and_wait);
	EXPECT_EQ(atomic_load(&ran), cpumask_weight(&cpu_online_mask) - 1 + step.intrusions);
	atomic_store(&ran, 0);
	step_through(call_all_and_wait, call_and_wait);
	EXPECT_EQ(atomic_load(&ran), cpumask_weight(&cpu_online_mask) + step.intrusions);
}

static atomic_uint runs_on[MAX_CPUS], wrong_rows;
static atomic_bool each_begun, each_done;

static void count_here(void *info);

/* Whether a descriptor in that CPU's row is what runs count_here on this one. */
static bool is_called_by_row_of(unsigned int cpu)
{
	for (unsigned int i = 0; i < nr_cpus; i++) {
		const struct csd *csd = &cpus[cpu]->csd_wait[i];

		if (atomic_load(&csd->state) == CSD_RUNNING && csd->func == count_here &&
		    csd->dst == this_cpu->index)
			return true;
	}
	return false;
}

/* Who waits is not moved, so the stepper is where it queued its call. In place there is no row. */
static void count_here(void *info)
{
	unsigned int caller = atomic_load(&step.stepper->cpu);

	(void)info;
	if (caller != this_cpu->index && !is_called_by_row_of(caller))
		atomic_fetch_add(&wrong_rows, 1);
	atomic_fetch_add(&runs_on[this_cpu->index], 1);
	atomic_store(&each_begun, true);
}

static struct cpumask few; /* this CPU, the one that it is moved to, and others */

static void call_each(void)
{
	if (on_each_cpu_mask(&few, count_here, NULL, true))
		step.wrong++;
	atomic_store(&each_done, true);
}

static bool each_has_begun(void)
{
	return atomic_load(&each_begun);
}

/*
 * Then this CPU makes such calls itself, with descriptors that the stepper may not have taken;
 * not before it is known whether it has, since a descriptor in two queues may hang all.
 */
static void move_stepper(void)
{
	if (thread_pin(step.stepper, step.target) || !WAIT_UNTIL(each_has_begun()))
		step.wrong++;
	while (!step.wrong && !atomic_load(&wrong_rows) && !atomic_load(&each_done)) {
		unsigned int before = atomic_load(&ran);

		if (on_each_cpu_mask(&few, count_run, NULL, true) ||
		    atomic_load(&ran) - before != cpumask_weight(&few))
			step.wrong++;
	}
}

/*
 * Moved once in each call, one step later every time: while it runs here the intruder comes
 * at that very step. Until a call was over before its step came.
 */
static int step_through_each(void *unused)
{
	unsigned int here = this_cpu->index, calls = 0;

	(void)unused;
	do {
		EXPECT_EQ(thread_pin(this_cpu->current, here), 0);
		step.only = ++calls;
		atomic_store(&each_begun, false);
		atomic_store(&each_done, false);
		step_through(call_each, move_stepper);
		EXPECT_EQ(atomic_load(&wrong_rows), 0);
		for_each_cpu(cpu, &cpu_online_mask)
			EXPECT_EQ(atomic_load(&runs_on[cpu]), cpumask_test(&few, cpu) ? calls : 0);
	} while (step.steps == step.only && !step.wrong && !atomic_load(&wrong_rows) &&
		 calls < MOST_STEPS);
	printk("# moved at %u steps\n", calls);
	step.only = 0;
	return 0;
}

/* Which CPU is the caller's own, and which are the others, must not change in the middle. */
TEST(step, call_to_each_while_the_caller_is_moved)
{
	step.target = other_cpu(1);
	if (lacks_cpus(2) || lacks_tick())
		return;
	for_each_cpu(cpu, &cpu_online_mask)
		atomic_store(&runs_on[cpu], 0);
	atomic_store(&wrong_rows, 0);
	few = (struct cpumask){ 0 };
	cpumask_set(&few, this_cpu->index);
	for (unsigned int i = 1; i <= 4 && other_cpu(i) < MAX_CPUS; i++)
		cpumask_set(&few, other_cpu(i));
	join(run_on(this_cpu->index, step_through_each, NULL));
}

/* What a wait that ended early left behind would come, too. */
static void stop_timer(void)
{
	irq_disable();
	tick_wake_at(0);
	arch_timer_stop();
	irq_enable();
}

/*
 * Leaves no step to what follows the call; the intruder must come by itself. The call is one
 * that waits for nothing: a wait that is long ends by looking whether the thread is to be left.
 */
static void call_and_be_left(void)
{
	stop_timer();
	if (smp_call_function_single_async(step.target, &csds[0]))
		step.wrong++;
	set_trap_flag(false);
	if (step.steps < step.only || WAIT_UNTIL(step.intrusions))
		return;
	step.wrong++;
	preempt_check_resched(); /* lost; let it come now */
}

static void nothing_more(void) {}

/* Where no tick comes either, who may not be left in the middle of a call is left soon after. */
TEST(step, left_after_a_call_without_a_tick)
{
	step.target = other_cpu(1);
	if (lacks_cpus(2) || lacks_timer())
		return;
	csds[0] = (struct csd){ .func = count_run };
	atomic_store(&ran, 0);
	tick_suspend();
	step.only = 0;
	do {
		step.only++;
		step_through(call_and_be_left, nothing_more);
		EXPECT(WAIT_UNTIL(atomic_load(&ran) == step.only));
	} while (step.steps >= step.only && !step.wrong && step.only < MOST_STEPS);
	tick_resume();
	EXPECT(step.only > 1 && step.only < MOST_STEPS);
	printk("# left at %u steps\n", step.only - 1);
	step.only = 0;
}

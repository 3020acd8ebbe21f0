/*
 * Left after every instruction: the trap flag stops a thread behind each, a more urgent
 * thread of the same CPU is woken there, and looks, or does the same thing itself. What
 * cannot be left between two instructions is seen not to be.
 */
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include "trap_flag.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/console/printk.h>
#include <kernel/sched/completion.h>
#include <kernel/sched/mutex.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/semaphore.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/queue.h>
#include <lib/errno.h>

static struct {
	struct thread *stepper, *intruder;
	void (*intrude)(void);
	atomic_bool ended;
	unsigned int steps, intrusions, wrong;
	unsigned int only; /* the step behind which to intrude; 0: each */
	unsigned int target;
	uint64_t ipis;
} step;

/* As an interrupt would come here, if one can. */
static bool on_step(struct pt_regs *regs)
{
	if (this_cpu->current != step.stepper || irqs_disabled_flags(regs->rflags))
		return true;
	if (++step.steps == step.only)
		regs->rflags &= ~RFLAGS_TF;
	if (!step.only || step.steps == step.only)
		thread_wake(step.intruder);
	return true;
}

static int intrude_when_woken(void *unused)
{
	(void)unused;
	for (;;) {
		thread_prepare_to_block();
		thread_block();
		if (atomic_load(&step.ended))
			return 0;
		step.intrusions++;
		step.intrude();
	}
}

/* It blocks, or is about to: woken in the last step, it may have ended already. */
static bool is_over(struct thread *thread)
{
	if (atomic_load(&thread->state) == THREAD_BLOCKED)
		thread_wake(thread);
	return thread_is_over(thread);
}

/* Runs func step by step, with intruders in between. */
static void step_through(void (*func)(void), void (*intrude)(void))
{
	trap_hook *before;

	step.stepper = this_cpu->current;
	step.intrude = intrude;
	step.steps = step.intrusions = step.wrong = 0;
	atomic_store(&step.ended, false);
	step.intruder = make_rt(this_cpu->index, 1, intrude_when_woken, NULL);
	thread_wake(step.intruder);
	before = trap_set_hook(TRAP_DB, on_step);
	set_trap_flag(true);
	func();
	set_trap_flag(false);
	trap_set_hook(TRAP_DB, before);
	atomic_store(&step.ended, true);
	EXPECT(WAIT_UNTIL(is_over(step.intruder)));
	join(step.intruder);
	EXPECT(step.steps > 0 && (step.only || step.intrusions > 0));
	EXPECT_EQ(step.wrong, 0);
}

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

static atomic_uint runs_on[MAX_CPUS];

static void count_here(void *info)
{
	(void)info;
	atomic_fetch_add(&runs_on[this_cpu->index], 1);
}

static void call_each(void)
{
	if (on_each_cpu(count_here, NULL, true))
		step.wrong++;
}

static void move_stepper(void)
{
	if (thread_pin(step.stepper, step.target))
		step.wrong++;
}

#define MOST_STEPS 1000

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
		step_through(call_each, move_stepper);
		for_each_cpu(cpu, &cpu_online_mask)
			EXPECT_EQ(atomic_load(&runs_on[cpu]), calls);
	} while (step.steps == step.only && calls < MOST_STEPS);
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
	join(run_on(this_cpu->index, step_through_each, NULL));
}

static struct mutex mutex;
static struct semaphore semaphore;
static unsigned int inside;

/* One after the other, never inside each other. */
static void lock_and_unlock(void)
{
	for (int i = 0; i < 3; i++) {
		mutex_lock(&mutex);
		inside++;
		if (inside != 1)
			step.wrong++;
		inside--;
		mutex_unlock(&mutex);
		down(&semaphore);
		up(&semaphore);
	}
}

static void lock_once(void)
{
	mutex_lock(&mutex);
	if (inside)
		step.wrong++;
	mutex_unlock(&mutex);
	down(&semaphore);
	up(&semaphore);
}

TEST(step, mutex_and_semaphore)
{
	semaphore.count = 1;
	inside = 0;
	step_through(lock_and_unlock, lock_once);
	EXPECT(!mutex.owner);
	EXPECT_EQ(semaphore.count, 1);
}

static struct completion completion;

static void wait_some(void)
{
	for (int i = 0; i < 5; i++)
		wait_for_completion(&completion);
}

static void complete_one(void)
{
	complete(&completion);
}

/* The waiter is woken between any two steps of its going to sleep. */
TEST(step, waiter_of_a_completion)
{
	completion.done = 0;
	step_through(wait_some, complete_one);
	EXPECT(list_empty(&completion.waiters.entries));
	EXPECT_EQ(completion.done + 5, step.intrusions);
}

/*
 * `threads` and `runq`.
 */
#include "capture.h"
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <arch/time.h>
#include <kernel/monitor/monitor.h>
#include <kernel/sched/completion.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/cpu.h>
#include <lib/string.h>

extern const struct command *const commands_start[], *const commands_end[];

static bool run_command(const char *name)
{
	for (const struct command *const *command = commands_start; command < commands_end;
	     command++) {
		if (strcmp((*command)->name, name))
			continue;
		capture_start();
		(*command)->run("");
		capture_end();
		return true;
	}
	return false;
}

/* Not its last act: it would end in a jump, and leave no frame. */
static int wait_in_show_test(void *completion)
{
	return wait_for_completion(completion) ? 1 : 0;
}

#define WAITERS 40 /* more than are copied at a time */

TEST(sched_show, threads)
{
	struct completion completion = { 0 };
	struct thread *waiters[WAITERS], *rt;
	atomic_bool go = true;

	for (unsigned int i = 0; i < WAITERS; i++) {
		waiters[i] = run_on(this_cpu->index, wait_in_show_test, &completion);
		REQUIRE(waiters[i] && has_blocked(waiters[i]));
	}
	rt = make_rt(this_cpu->index, 7, spin_until, &go);
	EXPECT(run_command("threads"));
	for (unsigned int i = 0; i < WAITERS; i++)
		EXPECT(capture_find(NULL, text("%6u  test ", waiters[i]->id)));
	EXPECT(capture_has("blocked  fair   wait_in_show_test", "rt test ", "blocked  rt 7"));
	complete_all(&completion);
	for (unsigned int i = 0; i < WAITERS; i++)
		join(waiters[i]);
	thread_wake(rt);
	join(rt);
}

TEST(sched_show, runq)
{
	unsigned int cpu = other_cpu(1);
	struct thread *first, *second;
	atomic_bool go = false;

	if (lacks_cpus(2))
		return;
	first = run_on(cpu, spin_until, &go);
	EXPECT(WAIT_UNTIL(*(struct thread *volatile *)&cpus[cpu]->current == first));
	second = run_on(cpu, spin_until, &go);
	EXPECT(WAIT_UNTIL(atomic_load(&second->state) == THREAD_RUNNING));
	EXPECT(run_command("runq"));
	EXPECT(capture_has("idle CPUs wait by ", "CPU 0  runs 'main'",
			   text("CPU %u  runs 'test', 1 wait", cpu), "'test'", "it woke ",
			   "RESCHEDULE else: to itself ", "to idle CPUs "));
	atomic_store(&go, true);
	join(first);
	join(second);
}

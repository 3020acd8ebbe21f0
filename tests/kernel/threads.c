/*
 * What tests of threads have in common.
 */
#include "threads.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/time.h>
#include <kernel/sched/idle.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/cpu.h>
#include <lib/string.h>

#define PATIENCE_NS 15000000000ull

struct thread *run_on(unsigned int cpu, int (*func)(void *arg), void *arg)
{
	const struct thread_args args = { .name = "test",
					  .func = func,
					  .arg = arg,
					  .pinned = true,
					  .cpu = cpu };
	struct thread *thread = NULL;

	EXPECT_EQ(thread_run(&thread, &args), 0);
	return thread;
}

struct thread *make_rt(unsigned int cpu, unsigned int priority, int (*func)(void *arg), void *arg)
{
	const struct thread_args args = { .name = "rt test",
					  .func = func,
					  .arg = arg,
					  .priority = priority,
					  .pinned = true,
					  .cpu = cpu };
	struct thread *thread = NULL;

	EXPECT_EQ(thread_create(&thread, &args), 0);
	return thread;
}

int join(struct thread *thread)
{
	int result = 0, error = wait_for_completion_timeout(&thread->exited, PATIENCE_NS);

	if (!error)
		error = thread_join(thread, &result);
	EXPECT_EQ(error, 0);
	return error ? error : result;
}

int spin_until(void *flag)
{
	while (!atomic_load_explicit((atomic_bool *)flag, memory_order_acquire))
		cpu_relax();
	return (int)this_cpu->index;
}

int add_one(void *count)
{
	atomic_fetch_add_explicit((atomic_uint *)count, 1, memory_order_release);
	return 0;
}

bool lacks_slices(void)
{
	return lacks_tick();
}

bool polls(void)
{
	return strcmp(idle_mode(), "hlt") != 0;
}

bool has_blocked(struct thread *thread)
{
	struct cpu *cpu = cpus[atomic_load_explicit(&thread->cpu, memory_order_relaxed)];

	/* If it is to run here, let it. One that a tick left before it blocked is on the run queue. */
	return WAIT_UNTIL(
		(thread_yield(),
		 atomic_load_explicit(&thread->state, memory_order_acquire) == THREAD_BLOCKED) &&
		!*(volatile bool *)&thread->on_runq &&
		*(struct thread *volatile *)&cpu->current != thread);
}

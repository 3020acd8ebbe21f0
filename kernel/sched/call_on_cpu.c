/*
 * A thread for one call.
 */
#include <kernel/sched/call_on_cpu.h>
#include <kernel/sched/thread.h>
#include <lib/errno.h>

int smp_call_on_cpu(unsigned int cpu, int (*func)(void *arg), void *arg)
{
	const struct thread_args args = { .name = "call on cpu",
					  .func = func,
					  .arg = arg,
					  .pinned = true,
					  .cpu = cpu };
	struct thread *thread;
	int error, result;

	if (!caller_may_wait())
		return -EDEADLK;
	error = thread_run(&thread, &args);
	if (error)
		return error;
	thread_join(thread, &result);
	return result;
}

/*
 * The CPUs that receive: kernel threads that spin, or nothing, and then Linux's idle loop halts.
 */
#include "bench.h"
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/sched.h>

static struct task_struct *spinners[NR_CPUS];
static atomic_t spinning;
static bool stop;

static int spin(void *unused)
{
	atomic_inc(&spinning);
	while (!READ_ONCE(stop))
		cpu_relax();
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static bool should_spin(unsigned int cpu, enum receiver receiver)
{
	if (cpu == smp_processor_id() || receiver == RECEIVER_HALTED)
		return false;
	return cpu == RECEIVER || receiver == RECEIVERS_SPIN;
}

int receivers_begin(enum receiver receiver)
{
	unsigned int cpu;
	int started = 0;

	atomic_set(&spinning, 0);
	WRITE_ONCE(stop, false);
	for_each_online_cpu(cpu) {
		if (!should_spin(cpu, receiver))
			continue;
		spinners[cpu] = kthread_run_on_cpu(spin, NULL, cpu, "nudge/%u");
		if (IS_ERR(spinners[cpu])) {
			int error = PTR_ERR(spinners[cpu]);

			spinners[cpu] = NULL;
			receivers_end();
			return error;
		}
		started++;
	}
	while (atomic_read(&spinning) < started)
		schedule_timeout_uninterruptible(1);
	return 0;
}

void receivers_end(void)
{
	unsigned int cpu;

	WRITE_ONCE(stop, true);
	for_each_possible_cpu(cpu)
	{
		if (spinners[cpu])
			kthread_stop(spinners[cpu]);
		spinners[cpu] = NULL;
	}
}

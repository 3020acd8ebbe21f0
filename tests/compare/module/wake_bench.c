/*
 * What it costs to wake a thread that blocks on another, halted CPU.
 */
#include "bench.h"
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/sched.h>

static struct task_struct *sleeper, *waker;
static u64 stamped;
static bool wanted, answered;

static int sleep(void *unused)
{
	for (;;) {
		/* Before both looks: who is told to stop between a look and it sleeps for good. */
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		if (!READ_ONCE(wanted)) {
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		WRITE_ONCE(stamped, cycles_ordered());
		WRITE_ONCE(wanted, false);
		WRITE_ONCE(answered, true);
		wake_up_process(waker);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static int start_sleeper(void)
{
	waker = current;
	sleeper = kthread_run_on_cpu(sleep, NULL, RECEIVER, "nudge/%u");
	return PTR_ERR_OR_ZERO(sleeper);
}

static void stop_sleeper(void)
{
	kthread_stop(sleeper);
}

static u64 wake(void)
{
	u64 start;

	WRITE_ONCE(stamped, 0);
	WRITE_ONCE(answered, false);
	start = cycles_ordered();
	WRITE_ONCE(wanted, true);
	wake_up_process(sleeper);
	return start;
}

/* As in tests/bench/wake_bench.c: the waker looks for the stamp. */
static u64 wake_spinning(void)
{
	u64 start = wake(), value;

	while (!(value = READ_ONCE(stamped)))
		cpu_relax();
	return value - start;
}

static void block(void)
{
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (READ_ONCE(answered))
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
}

/* As the recorded figure was taken: the waker blocks, and its way to being idle is in the count. */
static u64 wake_oneway(void)
{
	u64 start = wake();

	block();
	return READ_ONCE(stamped) - start;
}

static u64 wake_pingpong(void)
{
	u64 start = wake();

	block();
	return cycles_ordered() - start;
}

const struct bench wake_benches[] = {
	{ "wake.oneway", RECEIVER_HALTED, .sample = wake_oneway, .begin = start_sleeper,
	  .end = stop_sleeper },
	{ "wake.oneway.alike", RECEIVER_HALTED, .sample = wake_spinning, .begin = start_sleeper,
	  .end = stop_sleeper },
	{ "wake.pingpong", RECEIVER_HALTED, .sample = wake_pingpong, .begin = start_sleeper,
	  .end = stop_sleeper },
	{},
};

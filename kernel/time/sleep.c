/*
 * Sleeping: a thread that waits for nothing but its timer.
 */
#include <kernel/sched/block.h>
#include <kernel/time/sleep.h>
#include <kernel/time/timer.h>
#include <lib/errno.h>

int sleep_ns(uint64_t ns)
{
	struct timer timer;

	if (!caller_may_wait())
		return -EDEADLK;
	timer_start(&timer, ns);
	for (;;) {
		thread_prepare_to_block();
		if (timer_is_over(&timer))
			break;
		timer_block(&timer);
	}
	thread_stay();
	timer_cancel(&timer);
	return 0;
}

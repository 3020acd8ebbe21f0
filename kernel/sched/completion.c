/*
 * Completions. What is done is counted under the lock of the queue, so a waiter either
 * finds it done or is found waiting.
 */
#include <kernel/sched/completion.h>
#include <kernel/time/timer.h>
#include <stddef.h>

void complete(struct completion *completion)
{
	unsigned long flags = wait_lock(&completion->waiters);

	if (completion->done != COMPLETED_FOR_ALL)
		completion->done++;
	wake_up_locked(&completion->waiters);
	wait_unlock(&completion->waiters, flags);
}

void complete_all(struct completion *completion)
{
	unsigned long flags = wait_lock(&completion->waiters);

	completion->done = COMPLETED_FOR_ALL;
	while (wake_up_locked(&completion->waiters))
		;
	wait_unlock(&completion->waiters, flags);
}

/* With the lock held. */
static bool take(struct completion *completion)
{
	if (!completion->done)
		return false;
	if (completion->done != COMPLETED_FOR_ALL)
		completion->done--;
	return true;
}

bool try_wait_for_completion(struct completion *completion)
{
	unsigned long flags = wait_lock(&completion->waiters);
	bool taken = take(completion);

	wait_unlock(&completion->waiters, flags);
	return taken;
}

/* Takes, or joins the queue, in one step. */
static bool take_or_join(struct completion *completion, struct wait_entry *entry)
{
	unsigned long flags = wait_lock(&completion->waiters);
	bool taken = take(completion);

	if (!taken)
		wait_join(&completion->waiters, entry);
	wait_unlock(&completion->waiters, flags);
	return taken;
}

/* timer is NULL for a wait without end. */
static int wait(struct completion *completion, struct timer *timer)
{
	struct wait_entry entry = { 0 };
	bool taken;

	while (!(taken = take_or_join(completion, &entry)) && !(timer && timer_is_over(timer))) {
		if (timer)
			timer_block(timer);
		else
			thread_block();
	}
	wait_finish(&completion->waiters, &entry);
	/* Woken and out of time at once: what is done is not left lying. */
	return taken || try_wait_for_completion(completion) ? 0 : -ETIMEDOUT;
}

int wait_for_completion(struct completion *completion)
{
	return caller_may_wait() ? wait(completion, NULL) : -EDEADLK;
}

int wait_for_completion_timeout(struct completion *completion, uint64_t ns)
{
	struct timer timer;
	int error;

	if (!caller_may_wait())
		return -EDEADLK;
	timer_start(&timer, ns);
	error = wait(completion, &timer);
	timer_cancel(&timer);
	return error;
}

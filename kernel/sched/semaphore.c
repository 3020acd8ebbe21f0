/*
 * Semaphores: all under the lock of the queue. A waiter that was taken out of the queue
 * has been given what it waited for: nobody can take it before it comes to run.
 */
#include <kernel/sched/semaphore.h>

/* With the lock held. */
static bool take(struct semaphore *semaphore)
{
	if (!semaphore->count)
		return false;
	semaphore->count--;
	return true;
}

bool down_trylock(struct semaphore *semaphore)
{
	unsigned long flags = wait_lock(&semaphore->waiters);
	bool taken = take(semaphore);

	wait_unlock(&semaphore->waiters, flags);
	return taken;
}

/* Takes one, or joins the queue, in one step. */
static bool take_or_join(struct semaphore *semaphore, struct wait_entry *entry)
{
	unsigned long flags = wait_lock(&semaphore->waiters);
	bool taken = take(semaphore);

	if (!taken)
		wait_join(&semaphore->waiters, entry);
	wait_unlock(&semaphore->waiters, flags);
	return taken;
}

/* A wait may end for no reason: then the thread is still in the queue. */
static bool was_given(struct semaphore *semaphore, struct wait_entry *entry)
{
	unsigned long flags = wait_lock(&semaphore->waiters);
	bool given = !entry->queued;

	if (!given)
		wait_join(&semaphore->waiters, entry);
	wait_unlock(&semaphore->waiters, flags);
	return given;
}

int down(struct semaphore *semaphore)
{
	struct wait_entry entry = { 0 };

	if (!caller_may_wait())
		return -EDEADLK;
	if (take_or_join(semaphore, &entry))
		return 0;
	do
		thread_block();
	while (!was_given(semaphore, &entry));
	return 0;
}

void up(struct semaphore *semaphore)
{
	unsigned long flags = wait_lock(&semaphore->waiters);

	if (!wake_up_locked(&semaphore->waiters))
		semaphore->count++;
	wait_unlock(&semaphore->waiters, flags);
}

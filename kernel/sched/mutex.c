/*
 * Mutexes: all under the lock of the queue.
 */
#include <arch/cpu.h>
#include <kernel/panic.h>
#include <kernel/sched/mutex.h>
#include <kernel/smp/cpu.h>

/* With the lock held. */
static bool take(struct mutex *mutex)
{
	if (mutex->owner && mutex->owner != this_cpu->current)
		return false;
	mutex->owner = this_cpu->current;
	return true;
}

/* With interrupts off the thread may not be who acts: a handler or a call's function is. */
bool mutex_trylock_plain(struct mutex *mutex)
{
	unsigned long flags = wait_lock(&mutex->waiters);
	bool taken = !mutex->owner && !irqs_disabled_flags(flags) && take(mutex);

	wait_unlock(&mutex->waiters, flags);
	return taken;
}

/* Takes it, or joins the queue, in one step. It is ours, too, once it was handed over. */
static bool take_or_join(struct mutex *mutex, struct wait_entry *entry)
{
	unsigned long flags = wait_lock(&mutex->waiters);
	bool taken = take(mutex);

	if (!taken)
		wait_join(&mutex->waiters, entry);
	wait_unlock(&mutex->waiters, flags);
	return taken;
}

int mutex_lock_plain(struct mutex *mutex)
{
	struct wait_entry entry = { 0 };

	if (!caller_may_wait())
		return -EDEADLK;
	/* Only this thread makes itself the owner, or was made it: no lock is needed to see that. */
	if (*(struct thread *volatile *)&mutex->owner == this_cpu->current) {
		warn("sched: a mutex is locked again by the thread that has it");
		return -EDEADLK;
	}
	while (!take_or_join(mutex, &entry))
		thread_block();
	return 0;
}

int mutex_unlock_plain(struct mutex *mutex)
{
	unsigned long flags = wait_lock(&mutex->waiters);
	bool ours = mutex->owner == this_cpu->current && !irqs_disabled_flags(flags);

	if (ours)
		mutex->owner = wake_up_locked(&mutex->waiters);
	wait_unlock(&mutex->waiters, flags);
	if (ours)
		return 0;
	warn("sched: a mutex is unlocked by a thread that does not have it, or with interrupts off");
	return -EPERM;
}

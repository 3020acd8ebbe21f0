/*
 * Wait queues. A waker takes out whom it wakes; who leaves for another reason takes
 * itself out. Both under the queue's lock.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <kernel/sched/wait.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/cpu.h>
#include <stddef.h>

static struct wait_entry *entry_of(struct list_node *node)
{
	return (struct wait_entry *)((char *)node - offsetof(struct wait_entry, node));
}

unsigned long wait_lock(struct wait_queue *queue)
{
	return spin_lock_irqsave(&queue->lock);
}

void wait_unlock(struct wait_queue *queue, unsigned long flags)
{
	spin_unlock_irqs_off(&queue->lock);
	wake_end(flags);
}

void wait_join(struct wait_queue *queue, struct wait_entry *entry)
{
	entry->thread = this_cpu->current;
	if (!entry->queued)
		list_add_tail(&queue->entries, &entry->node);
	entry->queued = true;
	thread_prepare_to_block();
}

void wait_prepare(struct wait_queue *queue, struct wait_entry *entry)
{
	unsigned long flags = wait_lock(queue);

	wait_join(queue, entry);
	wait_unlock(queue, flags);
}

bool wait_finish(struct wait_queue *queue, struct wait_entry *entry)
{
	unsigned long flags;
	bool taken_out;

	thread_stay();
	flags = wait_lock(queue);
	taken_out = !entry->queued;
	if (!taken_out)
		list_remove(&queue->entries, &entry->node);
	entry->queued = false;
	wait_unlock(queue, flags);
	return taken_out;
}

/* The entry is on its thread's stack: it is gone as soon as that thread goes on. */
struct thread *wake_up_locked(struct wait_queue *queue)
{
	struct wait_entry *entry;
	struct thread *thread;

	if (list_empty(&queue->entries))
		return NULL;
	entry = entry_of(queue->entries.first);
	thread = entry->thread;
	list_remove(&queue->entries, &entry->node);
	entry->queued = false;
	wake_begin(thread);
	return thread;
}

unsigned int wake_up(struct wait_queue *queue)
{
	unsigned long flags = wait_lock(queue);
	unsigned int woken = wake_up_locked(queue) != NULL;

	wait_unlock(queue, flags);
	return woken;
}

unsigned int wake_up_all(struct wait_queue *queue)
{
	unsigned long flags = wait_lock(queue);
	unsigned int woken = 0;

	while (wake_up_locked(queue))
		woken++;
	wait_unlock(queue, flags);
	return woken;
}

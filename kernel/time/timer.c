/*
 * Each CPU has a heap of its timers, and its local timer is set for the first. A thread
 * that has gone elsewhere meanwhile takes its timer out of the heap of the CPU where it
 * began: so there is a lock.
 */
#include <arch/cpu.h>
#include <arch/time.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/cpu.h>
#include <kernel/time/tick.h>
#include <kernel/time/timer.h>

/* Of two times, the heap can tell the earlier while less than 292 years lie between them. */
#define FOR_EVER_NS (INT64_MAX / 2)

static struct timer *timer_of(struct heap_node *node)
{
	return (struct timer *)((char *)node - offsetof(struct timer, node));
}

/* This CPU's, with its lock held: the local timer for the first. */
static int arm(struct timers *timers)
{
	return tick_wake_at(timers->heap.first ? timers->heap.first->key : 0);
}

void timer_start(struct timer *timer, uint64_t ns)
{
	struct timers *timers = &cpus[get_cpu()]->timers;
	unsigned long flags = spin_lock_irqsave(&timers->lock);

	*timer = (struct timer){ .thread = this_cpu->current, .cpu = smp_processor_id() };
	heap_add(&timers->heap, &timer->node, clock_ns() + (ns < FOR_EVER_NS ? ns : FOR_EVER_NS));
	timer->works = timers->heap.first != &timer->node || !arm(timers);
	timer->queued = timer->works;
	if (!timer->works)
		heap_remove(&timers->heap, &timer->node);
	spin_unlock_irqrestore(&timers->lock, flags);
	put_cpu();
}

bool timer_is_over(struct timer *timer)
{
	if (timer->works)
		return atomic_load_explicit(&timer->over, memory_order_acquire);
	return (int64_t)(clock_ns() - timer->node.key) >= 0;
}

void timer_block(struct timer *timer)
{
	if (timer->works) {
		thread_block();
		return;
	}
	thread_stay();
	cpu_relax();
	thread_yield();
}

/* The local timer is left as it is: if it comes for nobody it is set for the next. */
void timer_cancel(struct timer *timer)
{
	struct timers *timers = &cpus[timer->cpu]->timers;
	unsigned long flags = spin_lock_irqsave(&timers->lock);

	if (timer->queued)
		heap_remove(&timers->heap, &timer->node);
	timer->queued = false;
	spin_unlock_irqrestore(&timers->lock, flags);
}

/* Under the lock a timer stays, and so does its thread, which must cancel it. */
static void expire(struct timers *timers, struct timer *timer)
{
	heap_remove(&timers->heap, &timer->node);
	timer->queued = false;
	atomic_store_explicit(&timer->over, true, memory_order_release);
	wake_begin(timer->thread);
}

/* In the local timer's interrupt, whose exit leaves the thread if that is due. */
static void on_wake(void)
{
	struct timers *timers = &this_cpu->self->timers;
	unsigned long flags = spin_lock_irqsave(&timers->lock);
	uint64_t now = clock_ns();

	while (timers->heap.first && (int64_t)(now - timers->heap.first->key) >= 0)
		expire(timers, timer_of(timers->heap.first));
	arm(timers);
	spin_unlock_irqrestore(&timers->lock, flags);
}

void timer_init(void)
{
	tick_add(TICK_WAKE, on_wake);
}

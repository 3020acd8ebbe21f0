/*
 * Waking, and whether the CPU that has to know needs RESCHEDULE for it. wake_above is
 * the priority of what that CPU runs: threads up to it can wait.
 *
 *   waker                                      the thread's CPU, in schedule()
 *   state: BLOCKED → WOKEN
 *   wake_list ← thread                   (1)   wake_above ← 0                     (3)
 *   wake_above: read, and raised if            takes all of wake_list             (4)
 *     the thread's priority is above it  (2)   chooses who runs
 *   if it was raised: RESCHEDULE               wake_above ← its priority          (5)
 *
 * (2) and (3) are read-modify-writes of one word, acquire and release, so one comes
 * first. (2) before (3): what (1) put there is seen by (4). (3) before (2): the waker
 * reads 0, or what (5) wrote; if the thread is more urgent it raises the word and sends.
 * If not, it can wait until schedule() is called next, and (2) comes before that (3). So
 * a thread is in the list with no IPI on the way only as long as something as urgent runs.
 *
 * Among fair threads it may not wait for that: (5) is 0 for a fair thread unless the CPU's
 * scheduler tick runs, and the tick looks at the list. A CPU that polls says so with the
 * highest number there is, and looks at the list itself.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <kernel/panic.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>

static struct thread *thread_of(struct llist_node *node)
{
	return (struct thread *)((char *)node - offsetof(struct thread, wake_node));
}

void resched_self(void)
{
	uint64_t now = this_cpu->schedules + 1;

	if (this_cpu->current == this_cpu->idle || this_cpu->resched_sent == now)
		return; /* the idle loop looks by itself; or one is on its way */
	this_cpu->resched_sent = now;
	this_cpu->nudges[NUDGE_SELF]++;
	this_cpu->ipi_sent[RESCHEDULE_VECTOR]++;
	arch_send_ipi_self(RESCHEDULE_VECTOR);
}

/* One that moves is handed on by the CPU that it belongs to, whatever that is doing. */
static uint32_t urgency(const struct thread *thread)
{
	return thread_special(thread) & THREAD_MOVES ? WAKE_URGENT : thread->priority;
}

/* (2) in the table above. */
static enum wake_outcome claim_ipi(struct cpu *cpu, uint32_t priority)
{
	uint32_t above = atomic_load_explicit(&cpu->wake_above, memory_order_relaxed), raised;

	do {
		raised = priority > (above & WAKE_PRIORITY_MASK) ? priority | WAKE_SENT : above;
	} while (!atomic_compare_exchange_weak_explicit(&cpu->wake_above, &above, raised,
							memory_order_acq_rel,
							memory_order_relaxed));
	if (raised != above)
		return WAKE_IPI;
	if (above == WAKE_POLLS)
		return WAKE_POLLED;
	return above & WAKE_SENT ? WAKE_ON_ITS_WAY : WAKE_CAN_WAIT;
}

/* thread is WOKEN, by us. */
static void wake_there(struct thread *thread, struct cpu *cpu)
{
	uint32_t priority = urgency(thread);
	enum wake_outcome outcome;

	llist_add(&thread->wake_node, &cpu->wake_list);
	/* From here on the thread may run, and end. */
	outcome = claim_ipi(cpu, priority);
	this_cpu->wakes[outcome]++;
	if (outcome != WAKE_IPI)
		return;
	this_cpu->ipi_sent[RESCHEDULE_VECTOR]++;
	arch_send_ipi(cpu->index, RESCHEDULE_VECTOR);
}

/* Whether the thread gets its turn without the scheduler being called now. */
static bool can_wait_here(const struct thread *thread)
{
	unsigned int running = this_cpu->current->priority;

	return thread->priority < running || (thread->priority == running &&
					      (running > PRIORITY_FAIR || this_cpu->tick.slice_at));
}

/* thread is WOKEN and this CPU's. One that was interrupted before it blocked is on the queue. */
static void wake_here(struct thread *thread)
{
	atomic_store_explicit(&thread->state, THREAD_RUNNING, memory_order_relaxed);
	if (thread->on_runq)
		return;
	thread->on_runq = true;
	runq_add_last(&this_cpu->self->runq, thread);
	if (!can_wait_here(thread))
		set_need_resched();
}

/* thread is WOKEN, this CPU's, and in no queue. It comes there as one that was woken. */
static void hand_on(struct thread *thread)
{
	struct cpu *cpu = cpus[thread->wanted_cpu];

	thread_set_special(thread, 0, THREAD_MOVES);
	atomic_store_explicit(&thread->cpu, cpu->index, memory_order_relaxed);
	this_cpu->moved_away++;
	wake_there(thread, cpu);
}

static bool is_to_move(const struct thread *thread)
{
	return thread_special(thread) & THREAD_MOVES && !thread->on_runq;
}

void wake_elsewhere(struct thread *thread)
{
	/* If a waker came first it puts the thread into our list: it is handed on from there. */
	if (atomic_exchange_explicit(&thread->state, THREAD_WOKEN, memory_order_acq_rel) !=
	    THREAD_WOKEN)
		hand_on(thread);
}

/* One that still runs is put into no queue: schedule() finds it on_runq. */
static inline void collect(struct cpu *cpu, struct thread *thread, struct thread *current)
{
	if (thread != current && is_to_move(thread)) {
		hand_on(thread);
		return;
	}
	atomic_store_explicit(&thread->state, THREAD_RUNNING, memory_order_relaxed);
	if (!thread->on_runq && thread != current)
		runq_add_last(&cpu->runq, thread);
	thread->on_runq = true;
}

void wake_collect(struct cpu *cpu, struct thread *current)
{
	struct llist_node *node = llist_reverse_order(llist_del_all(&cpu->wake_list));

	while (node) {
		struct thread *thread = thread_of(node);

		node = node->next;
		cpu->wakes_taken++;
		collect(cpu, thread, current);
	}
}

static int __attribute__((noinline, cold)) refuse(const struct thread *thread, uint32_t state)
{
	if (state != THREAD_DEAD && state != THREAD_FREE)
		return 0;
	warn("sched: wake-up of a thread that is over: %u '%s'", thread->id, thread->name);
	return -ESRCH;
}

/*
 * Release: the thread sees what was written before, since its CPU acquires it with the
 * list. Acquire: whose it is was written before it BLOCKED.
 */
int wake_begin(struct thread *thread)
{
	uint32_t state = THREAD_BLOCKED;
	unsigned int cpu;

	if (!atomic_compare_exchange_strong_explicit(&thread->state, &state, THREAD_WOKEN,
						     memory_order_acq_rel, memory_order_relaxed))
		return refuse(thread, state);
	cpu = atomic_load_explicit(&thread->cpu, memory_order_relaxed);
	if (cpu != smp_processor_id()) {
		wake_there(thread, cpus[cpu]);
	} else {
		this_cpu->wakes[WAKE_HERE]++;
		if (is_to_move(thread))
			hand_on(thread);
		else
			wake_here(thread);
	}
	return 1;
}

void wake_end(unsigned long flags)
{
	if (!irqs_disabled_flags(flags)) {
		irq_enable();
		preempt_check_resched();
	} else if (preempt_count_equals(0)) {
		resched_self();
	}
}

int thread_wake(struct thread *thread)
{
	unsigned long flags = irq_save();
	int woken = wake_begin(thread);

	wake_end(flags);
	return woken;
}

/* A CPU that stops polling meanwhile, or is just going idle, is awake; that was wanted. */
static bool wake_idle(struct cpu *cpu)
{
	if (*(struct thread *volatile *)&cpu->current != cpu->idle)
		return false;
	if (atomic_load_explicit(&cpu->wake_above, memory_order_relaxed) == WAKE_POLLS) {
		atomic_store_explicit(&cpu->poked, true, memory_order_relaxed);
		this_cpu->nudges[NUDGE_POLLED]++;
		return false;
	}
	this_cpu->nudges[NUDGE_IDLE]++;
	this_cpu->ipi_sent[RESCHEDULE_VECTOR]++;
	arch_send_ipi(cpu->index, RESCHEDULE_VECTOR);
	return true;
}

unsigned int wake_up_all_idle_cpus(void)
{
	unsigned int sent = 0;

	for_each_cpu(cpu, &cpu_online_mask) {
		unsigned long flags = irq_save();

		if (cpu != smp_processor_id())
			sent += wake_idle(cpus[cpu]);
		irq_restore(flags);
	}
	return sent;
}

/*
 * A waiter that waited too long reports, and goes on waiting.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/console/printk.h>
#include <kernel/debug/symbols.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/patience.h>
#include <kernel/smp/queue.h>
#include <kernel/smp/spinlock.h>
#include <kernel/smp/stall.h>
#include <kernel/smp/waiting.h>
#include <kernel/smp/watch.h>
#include <lib/age.h>
#include <lib/errno.h>
#include <lib/printf.h>

#define HEADLINE 400

extern const char smp_text_start[], smp_text_end[]; /* everything in kernel/smp */

/* A wait that lasts. */
struct wait {
	unsigned int cpu;
	struct csd *csd;
	struct patience patience;
	bool claimed, reported; /* by this CPU: it may report, and it has */
	bool others_stall;      /* another CPU had claimed it when we would have */
};

static bool leave_smp(uint64_t rip, bool returns, void *context)
{
	(void)returns;
	if (rip >= (uint64_t)smp_text_start && rip < (uint64_t)smp_text_end)
		return true;
	*(uint64_t *)context = rip;
	return false;
}

/* When another CPU's stall is over, ours is likely to be, in a moment. */
static bool claim(struct wait *wait)
{
	bool claimed = stall_claim(wait->cpu);

	if (claimed && wait->others_stall) {
		stall_release(wait->cpu);
		claimed = false;
		wait->others_stall = false;
	} else {
		wait->others_stall = !claimed;
	}
	return claimed;
}

static void report(struct wait *wait, uint64_t age_ns)
{
	uint32_t state = atomic_load_explicit(&wait->csd->state, memory_order_relaxed);
	char headline[HEADLINE], age[AGE_TEXT], func[80], from[80];
	uint64_t caller = 0;

	if (!wait->claimed && !claim(wait))
		return;
	wait->claimed = true;
	backtrace_walk(0, (uint64_t)__builtin_frame_address(0), leave_smp, &caller);
	symbol_format(caller, true, from, sizeof(from));
	snprintf(headline, sizeof(headline),
		 "STALL: CPU %u waits %s for CPU %u to %s %s, called from %s\n", this_cpu->index,
		 age_format(age_ns, age, sizeof(age)), wait->cpu,
		 state == CSD_RUNNING ? "finish" : "run",
		 symbol_name((uint64_t)wait->csd->func, func, sizeof(func)), from);
	if (stall_report(wait->cpu, STALL_CALLS, headline))
		wait->reported = true;
	else
		patience_again(&wait->patience);
}

static void say_over(const struct wait *wait, int error)
{
	char age[AGE_TEXT], func[80];

	if (error)
		printk("STALL over: CPU %u is stopped, the call of CPU %u is cancelled\n",
		       wait->cpu, this_cpu->index);
	else
		printk("STALL over: CPU %u ran %s for CPU %u, unstuck after %s\n", wait->cpu,
		       symbol_name((uint64_t)wait->csd->func, func, sizeof(func)), this_cpu->index,
		       age_format(clock_ns() - wait->patience.since, age, sizeof(age)));
}

static struct spinlock cancelling;

/* The calls that a stopped CPU will never take: those who wait are told, nobody else is. */
static void cancel_queue(struct llist_node *node)
{
	while (node) {
		struct csd *csd = csd_of(node);

		node = node->next;
		this_cpu->calls_cancelled++;
		/* Release: an unwaited one may be claimed again; our reads are done. */
		atomic_store_explicit(&csd->state, csd->waited ? CSD_CANCELLED : CSD_FREE,
				      memory_order_release);
	}
}

/*
 * Whether the call will never be done: its CPU was stopped before it got to it, or
 * inside the function; then it counts as run. Once the lock was held nobody else touches
 * the descriptor: the CPU is stopped for good, and no other waiter is at its queue.
 */
static bool cancel(unsigned int cpu, struct csd *csd)
{
	unsigned long flags;

	if (!atomic_load_explicit(&cpus[cpu]->stopped, memory_order_acquire))
		return false;
	flags = spin_lock_irqsave(&cancelling);
	cancel_queue(llist_del_all(&cpus[cpu]->call_single_queue));
	spin_unlock_irqrestore(&cancelling, flags);
	if (csd_is_free(csd))
		return false;
	/* Stopped between taking the call and running it: nobody has counted that. */
	if (atomic_load_explicit(&csd->state, memory_order_relaxed) == CSD_QUEUED)
		this_cpu->calls_cancelled++;
	atomic_store_explicit(&csd->state, CSD_FREE, memory_order_relaxed);
	return true;
}

/* In a panic the one that has the lock may be stopped, too. */
void watch_cancel(unsigned int cpu)
{
	unsigned long flags = irq_save();

	if (spin_trylock(&cancelling)) {
		cancel_queue(llist_del_all(&cpus[cpu]->call_single_queue));
		spin_unlock(&cancelling);
	}
	irq_restore(flags);
}

int watch_wait(struct csd *csd, uint64_t since)
{
	struct wait wait = { .cpu = csd->dst, .csd = csd };
	int error = 0;

	wait.patience = patience_begin(since, stall_deadline_ns());
	waiting_begin(wait.cpu, (uint64_t)csd->func);
	while (!error && atomic_load_explicit(&csd->state, memory_order_acquire) != CSD_FREE) {
		uint64_t now = clock_ns();

		if (patience_over(&wait.patience, now))
			report(&wait, now - wait.patience.since);
		if (cancel(wait.cpu, csd))
			error = -ETIMEDOUT;
		cpu_relax();
	}
	waiting_end();
	if (wait.reported)
		say_over(&wait, error);
	/* Last: the next report about this CPU stands behind what was said. */
	if (wait.claimed)
		stall_release(wait.cpu);
	return error;
}

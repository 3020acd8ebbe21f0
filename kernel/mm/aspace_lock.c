/*
 * Waiting for an address space.
 */
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/console/printk.h>
#include <kernel/mm/aspace_lock.h>
#include <kernel/panic.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/patience.h>
#include <kernel/smp/stall.h>
#include <kernel/smp/waiting.h>
#include <lib/age.h>
#include <lib/errno.h>

static_assert(MAX_CPUS < LOCK_HOLDER, "a CPU's index and one fits");

static bool try_lock(struct aspace_lock *lock)
{
	uint32_t state = atomic_load_explicit(&lock->state, memory_order_relaxed);

	return !(state & LOCK_HOLDER) &&
	       atomic_compare_exchange_strong_explicit(&lock->state, &state,
						       state + this_cpu->index + 1,
						       memory_order_acquire, memory_order_relaxed);
}

#define STARVES_AFTER 4 /* deadlines */

struct lock_wait {
	uint32_t seen; /* by whom it is held, and for which time */
	bool reported;
	struct patience patience; /* with that one */
	struct patience in_all;
};

/* Nobody is stuck, but others come first again and again. */
static void look_at_all(struct lock_wait *wait, uint64_t now)
{
	char age[AGE_TEXT];

	if (!patience_over(&wait->in_all, now))
		return;
	wait->reported = true;
	printk("STALL: CPU %u waits %s for an address space that others lock one after the other\n",
	       this_cpu->index, age_format(now - wait->in_all.since, age, sizeof(age)));
}

/* A lock that goes from hand to hand is none that is stuck: each holder has its own time. */
static void look(struct aspace_lock *lock, struct lock_wait *wait)
{
	uint32_t state = atomic_load_explicit(&lock->state, memory_order_relaxed);
	uint32_t holder = state & LOCK_HOLDER;
	uint64_t now = clock_ns();
	char age[AGE_TEXT];

	look_at_all(wait, now);
	if (state != wait->seen && holder) {
		wait->seen = state;
		wait->patience = patience_begin(now, stall_deadline_ns());
		waiting_begin(holder - 1, (uint64_t)aspace_lock_from);
	}
	if (state != wait->seen || !patience_over(&wait->patience, now))
		return;
	wait->reported = true;
	printk("STALL: CPU %u waits %s for an address space that CPU %u has locked\n",
	       this_cpu->index, age_format(now - wait->patience.since, age, sizeof(age)),
	       holder - 1);
}

static void __attribute__((noinline, cold)) wait_for_lock(struct aspace_lock *lock)
{
	struct lock_wait wait = {
		.in_all = patience_begin(clock_ns(), STARVES_AFTER * stall_deadline_ns()),
	};

	while (!try_lock(lock)) {
		look(lock, &wait);
		cpu_relax();
	}
	waiting_end();
	if (wait.reported)
		printk("STALL over: CPU %u has the address space\n", this_cpu->index);
}

static int __attribute__((noinline, cold)) refuse(const void *caller)
{
	warn_once_at(caller, "mm: an address space is changed with interrupts off");
	return -EDEADLK;
}

int aspace_lock_from(struct aspace_lock *lock, const void *caller)
{
	if (irqs_disabled())
		return refuse(caller);
	preempt_disable();
	if (!try_lock(lock))
		wait_for_lock(lock);
	return 0;
}

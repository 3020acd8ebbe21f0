/*
 * A spin lock that lets interrupts in while it waits.
 *
 * Never a ticket or a queue: a handler that wants the lock while its own CPU has
 * drawn a ticket would wait for itself. And never with interrupts off: the holder
 * may wait for this CPU to answer an IPI.
 */
#ifndef KERNEL_SMP_SPINLOCK_H
#define KERNEL_SMP_SPINLOCK_H

#include <arch/cpu.h>
#include <arch/irq.h>
#include <kernel/debug/checks.h>
#include <kernel/debug/lock_order.h>
#include <kernel/sched/preempt.h>
#include <stdatomic.h>
#include <stdbool.h>

struct spinlock {
	atomic_bool taken;
};

/* The lock alone: for the functions below. Acquire: pairs with the release in spin_let_go. */
static inline bool spin_try(struct spinlock *lock)
{
	return !atomic_load_explicit(&lock->taken, memory_order_relaxed) &&
	       !atomic_exchange_explicit(&lock->taken, true, memory_order_acquire);
}

static inline void spin_let_go(struct spinlock *lock)
{
	atomic_store_explicit(&lock->taken, false, memory_order_release);
}

/* Any context. With the lock held, preemption is held off; interrupts are as they were. */
static inline bool spin_trylock_named(struct spinlock *lock, const char *name)
{
	preempt_disable();
	if (!spin_try(lock)) {
		preempt_enable();
		return false;
	}
	if (debug_build)
		lock_order_taken(lock, name, irqs_disabled());
	return true;
}

static inline void spin_unlock_named(struct spinlock *lock, const char *name)
{
	if (debug_build)
		lock_order_let_go(lock, name);
	spin_let_go(lock);
	preempt_enable();
}

/*
 * Any context but NMI. While it waits, interrupts are as the caller had them;
 * with the lock held they are off. Returns what spin_unlock_irqrestore needs.
 */
static inline unsigned long spin_lock_irqsave_named(struct spinlock *lock, const char *name)
{
	unsigned long flags = irq_save();

	if (debug_build)
		lock_order_before(lock, name, irqs_disabled_flags(flags));
	while (!spin_try(lock)) {
		irq_restore(flags);
		cpu_relax();
		irq_disable();
	}
	if (debug_build)
		lock_order_taken(lock, name, true);
	return flags;
}

/* Leaves interrupts off. */
static inline void spin_unlock_irqs_off_named(struct spinlock *lock, const char *name)
{
	if (debug_build)
		lock_order_let_go(lock, name);
	spin_let_go(lock);
}

static inline void spin_unlock_irqrestore_named(struct spinlock *lock, const char *name,
						unsigned long flags)
{
	spin_unlock_irqs_off_named(lock, name);
	irq_restore(flags);
}

/* A lock is named as it is written, for debug builds. */
#define SPINLOCK_NAME(lock)        __FILE__ ": " #lock
#define spin_trylock(lock)         spin_trylock_named(lock, SPINLOCK_NAME(lock))
#define spin_unlock(lock)          spin_unlock_named(lock, SPINLOCK_NAME(lock))
#define spin_lock_irqsave(lock)    spin_lock_irqsave_named(lock, SPINLOCK_NAME(lock))
#define spin_unlock_irqs_off(lock) spin_unlock_irqs_off_named(lock, SPINLOCK_NAME(lock))
#define spin_unlock_irqrestore(lock, flags) \
	spin_unlock_irqrestore_named(lock, SPINLOCK_NAME(lock), flags)

#endif

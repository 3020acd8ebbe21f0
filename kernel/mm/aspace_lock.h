/*
 * The lock of an address space. It is held while other CPUs are waited for, so who waits for it
 * spins with interrupts on and answers them; and it is never taken with interrupts off. Whoever
 * has it or waits for it stays on its CPU: a flush is the CPU's, and so is the name of the holder.
 */
#ifndef KERNEL_MM_ASPACE_LOCK_H
#define KERNEL_MM_ASPACE_LOCK_H

#include <arch/cpu.h>
#include <kernel/sched/preempt.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The low half: one more than the index of the CPU that took it, 0: free. Above: how often. */
#define LOCK_HOLDER 0xffffu
#define LOCK_ONCE   0x10000u

struct aspace_lock {
	_Atomic uint32_t state;
};

/*
 * Thread context. Acquire: pairs with the release in aspace_unlock. Returns 0, or -EDEADLK with
 * interrupts off, and warns of caller, once. Reports who has it when that takes long, and a wait
 * that takes long though nobody has it for long.
 */
int aspace_lock_from(struct aspace_lock *lock, const void *caller);

#define aspace_lock(lock) aspace_lock_from(lock, __builtin_return_address(0))

static inline void aspace_unlock(struct aspace_lock *lock)
{
	uint32_t state = atomic_load_explicit(&lock->state, memory_order_relaxed);

	atomic_store_explicit(&lock->state, (state & ~LOCK_HOLDER) + LOCK_ONCE,
			      memory_order_release);
	preempt_enable();
}

static inline bool aspace_is_locked(const struct aspace_lock *lock)
{
	return atomic_load_explicit(&lock->state, memory_order_relaxed) & LOCK_HOLDER;
}

#endif

/*
 * For schemes in which one call is made at a time: the lock, and the wait of its holder
 * for the CPUs it called. Interrupts are on in both, so that whoever waits still runs
 * what others send to it.
 */
#ifndef TESTS_SCHEMES_TURN_H
#define TESTS_SCHEMES_TURN_H

#include <arch/cpu.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/csd.h>
#include <lib/cpumask.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 *   FREE ─(caller)─► its index + 1 ─(caller)─► FREE
 *                          └─(caller, whose target was stopped)─► CLOSED
 *
 * Whoever was called and not stopped may still come to read what the lock guards, and
 * nobody knows when: so it is never given away again.
 */
struct turn {
	_Atomic uint32_t holder;
};

#define TURN_FREE   0u
#define TURN_CLOSED UINT32_MAX

#define TURN_FAST_LOOKS 256 /* before the clock is looked at */

bool turn_take_slowly(struct turn *turn, const char *scheme);
int turn_until_slowly(_Atomic uint32_t *word, uint32_t value, unsigned int cpu,
		      const struct cpumask *named, smp_call_func_t func, const char *scheme);

/* Acquire: pairs with turn_end. False if the turn is closed. Thread context, interrupts on. */
static inline bool turn_take(struct turn *turn, const char *scheme)
{
	uint32_t holder = TURN_FREE;

	if (atomic_compare_exchange_strong_explicit(&turn->holder, &holder, this_cpu->index + 1,
						    memory_order_acquire, memory_order_relaxed))
		return true;
	return turn_take_slowly(turn, scheme);
}

/* error is that of turn_until: if a target was stopped, there is no further turn. */
static inline void turn_end(struct turn *turn, int error)
{
	atomic_store_explicit(&turn->holder, error ? TURN_CLOSED : TURN_FREE, memory_order_release);
}

/*
 * Waits until word has that value. Acquire: what was written before it got it is
 * visible. The rest is for the report, if it takes long: all that are named, or cpu if
 * named is NULL, may be waited for, until they have begun or ended func. Returns 0, or
 * -ETIMEDOUT if one of them was stopped for good.
 */
static inline int turn_until(_Atomic uint32_t *word, uint32_t value, unsigned int cpu,
			     const struct cpumask *named, smp_call_func_t func, const char *scheme)
{
	for (unsigned int looks = TURN_FAST_LOOKS; looks; looks--) {
		if (atomic_load_explicit(word, memory_order_acquire) == value)
			return 0;
		cpu_relax();
	}
	return turn_until_slowly(word, value, cpu, named, func, scheme);
}

#endif

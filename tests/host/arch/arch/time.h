/*
 * The contract of arch/x86_64/include/arch/time.h kept by a program: a cycle is a nanosecond of
 * the monotonic clock. Any context.
 */
#ifndef ARCH_TIME_H
#define ARCH_TIME_H

#include <stdint.h>

uint64_t clock_ns(void);
uint64_t clock_ns_at(uint64_t cycles);

void udelay(unsigned int us);

/* A timer of the thread's own, whose signal is LOCAL_TIMER_VECTOR. Interrupts off. */
int arch_timer_oneshot(uint64_t ns);
void arch_timer_stop(void);

static inline uint64_t cycles(void)
{
	return clock_ns();
}

static inline uint64_t ns_to_cycles(uint64_t ns)
{
	return ns;
}

static inline uint64_t cycles_to_ns(uint64_t count)
{
	return count;
}

#endif

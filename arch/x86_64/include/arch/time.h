/*
 * Time from the TSC. Any context once arch_time_init ran; before, ns are 0.
 */
#ifndef ARCH_TIME_H
#define ARCH_TIME_H

#include <stdint.h>

extern uint64_t tsc_hz;
extern const char *tsc_source; /* how tsc_hz was learnt */

static inline uint64_t cycles(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/*
 * For measuring: all earlier instructions are done, no later one has begun
 * (SDM vol. 2, RDTSC).
 */
static inline uint64_t cycles_ordered(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

uint64_t cycles_to_ns(uint64_t count);
uint64_t ns_to_cycles(uint64_t ns);

/* Since boot, as this CPU's TSC tells; and of a time that cycles() gave. */
uint64_t clock_ns(void);
uint64_t clock_ns_at(uint64_t cycles);

/* Learns tsc_hz; boot CPU, once, after the ACPI tables were found. */
void arch_time_init(void);

/* Spins. Any context; interrupts stay as they are. */
void udelay(unsigned int us);

/*
 * One interrupt on LOCAL_TIMER_VECTOR on this CPU, ns from now (at least 1 us, at
 * most a second); where another device ticks for all CPUs, good to milliseconds, and
 * who needs to know looks at the clock. Interrupts off. Returns 0 or -ENODEV when there
 * is no timer that can be used.
 */
int arch_timer_oneshot(uint64_t ns);

/* Takes it back; the interrupt may be on its way already. Interrupts off. */
void arch_timer_stop(void);

#endif

/*
 * The local APIC's timer as a one-shot: TSC deadline where the CPU has it, else
 * the counting timer, measured against the TSC when it is first wanted. Where that does
 * not count, or timer= asks for it, another device ticks for all CPUs (broadcast.c).
 */
#include "apic.h"
#include "broadcast.h"
#include "regs.h"
#include <arch/ipi.h>
#include <arch/time.h>
#include <kernel/bootword.h>
#include <lib/errno.h>
#include <stdatomic.h>

#define CPUID_TSC_DEADLINE (1u << 24) /* leaf 1, ECX */
#define LVT_DEADLINE       (2u << 17)
#define DIVIDE_BY_16       3
#define MEASURE_US         2000
#define MIN_NS             1000ull
#define MAX_NS             1000000000ull

static enum timer_word { TIMER_AUTO, TIMER_LAPIC, TIMER_HPET, TIMER_PIT } wanted;
static const char *const timer_words[] = { "auto", "lapic", "hpet", "pit", NULL };
BOOT_WORD_CHOICE(timer, timer_words, wanted, "whose interrupts tell that time has passed");

enum timer_kind { UNKNOWN, COUNTS, DEADLINE, BROADCAST, NONE };
static atomic_uint timer_kind;
static _Atomic uint64_t timer_hz; /* of the one that counts */

static uint64_t measure(void)
{
	uint64_t start = cycles(), ticks;

	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_16);
	apic_write(APIC_LVT_TIMER, LVT_MASKED | LOCAL_TIMER_VECTOR);
	apic_write(APIC_TIMER_INITIAL, UINT32_MAX);
	udelay(MEASURE_US);
	ticks = UINT32_MAX - apic_read(APIC_TIMER_CURRENT);
	start = cycles() - start;
	apic_write(APIC_TIMER_INITIAL, 0);
	return ticks * tsc_hz / start;
}

static enum timer_kind choose(void)
{
	uint64_t hz;

	if (wanted >= TIMER_HPET)
		return BROADCAST;
	if (cpuid(1, 0).ecx & CPUID_TSC_DEADLINE)
		return DEADLINE;
	hz = measure();
	if (!hz)
		return wanted == TIMER_LAPIC ? NONE : BROADCAST;
	atomic_store_explicit(&timer_hz, hz, memory_order_relaxed);
	return COUNTS;
}

/*
 * Chosen once: CPUID leaves a virtual machine. Of two CPUs that come first at once one chooses
 * for both. Release and acquire: who sees the kind sees the rate.
 */
static enum timer_kind kind(void)
{
	unsigned int known = atomic_load_explicit(&timer_kind, memory_order_acquire), chosen;

	if (known != UNKNOWN)
		return known;
	chosen = choose();
	if (atomic_compare_exchange_strong_explicit(&timer_kind, &known, chosen,
						    memory_order_release, memory_order_acquire))
		return chosen;
	return known;
}

static enum broadcast_source source(void)
{
	return wanted == TIMER_HPET ? BROADCAST_HPET :
	       wanted == TIMER_PIT  ? BROADCAST_PIT :
				      BROADCAST_ANY;
}

/* The xAPIC write must be done before the MSR's: SDM vol. 3 §11.5.4.1. */
static void set_deadline(uint64_t ns)
{
	apic_write(APIC_LVT_TIMER, LVT_DEADLINE | LOCAL_TIMER_VECTOR);
	asm volatile("mfence" : : : "memory");
	wrmsr(MSR_TSC_DEADLINE, cycles() + ns_to_cycles(ns));
}

static void set_count(uint64_t ns)
{
	uint64_t hz = atomic_load_explicit(&timer_hz, memory_order_relaxed);
	uint64_t count = ns * hz / 1000000000;

	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_16);
	apic_write(APIC_LVT_TIMER, LOCAL_TIMER_VECTOR);
	apic_write(APIC_TIMER_INITIAL, count > UINT32_MAX ? UINT32_MAX :
				       count              ? (uint32_t)count :
							    1);
}

int arch_timer_oneshot(uint64_t ns)
{
	ns = ns < MIN_NS ? MIN_NS : ns > MAX_NS ? MAX_NS : ns;
	switch (kind()) {
	case DEADLINE:
		set_deadline(ns);
		return 0;
	case COUNTS:
		set_count(ns);
		return 0;
	case BROADCAST:
		return broadcast_oneshot(ns, source());
	default:
		return -ENODEV;
	}
}

void arch_timer_stop(void)
{
	switch (atomic_load_explicit(&timer_kind, memory_order_relaxed)) {
	case DEADLINE:
		wrmsr(MSR_TSC_DEADLINE, 0);
		break;
	case COUNTS:
		apic_write(APIC_TIMER_INITIAL, 0);
		break;
	case BROADCAST:
		broadcast_stop();
		break;
	default:
		break;
	}
}

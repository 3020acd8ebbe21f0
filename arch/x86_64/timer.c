/*
 * The local APIC's timer as a one-shot: TSC deadline where the CPU has it, else
 * the counting timer, measured against the TSC when it is first wanted.
 */
#include "apic.h"
#include "regs.h"
#include <arch/ipi.h>
#include <arch/time.h>
#include <lib/errno.h>
#include <stdbool.h>

#define CPUID_TSC_DEADLINE (1u << 24) /* leaf 1, ECX */
#define LVT_DEADLINE       (2u << 17)
#define DIVIDE_BY_16       3
#define MEASURE_US         2000
#define MIN_NS             1000ull
#define MAX_NS             1000000000ull

static uint64_t timer_hz; /* 0: not measured yet */
static enum { UNKNOWN, COUNTS, DEADLINE } timer_kind;

/* Asked once: CPUID leaves a virtual machine. All CPUs are alike, and may all write the same. */
static bool has_deadline(void)
{
	if (timer_kind == UNKNOWN)
		timer_kind = cpuid(1, 0).ecx & CPUID_TSC_DEADLINE ? DEADLINE : COUNTS;
	return timer_kind == DEADLINE;
}

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

int arch_timer_oneshot(uint64_t ns)
{
	uint64_t count;

	ns = ns < MIN_NS ? MIN_NS : ns > MAX_NS ? MAX_NS : ns;
	if (has_deadline()) {
		apic_write(APIC_LVT_TIMER, LVT_DEADLINE | LOCAL_TIMER_VECTOR);
		/* The xAPIC write must be done before the MSR's: SDM vol. 3 §11.5.4.1. */
		asm volatile("mfence" : : : "memory");
		wrmsr(MSR_TSC_DEADLINE, cycles() + ns_to_cycles(ns));
		return 0;
	}
	if (!timer_hz)
		timer_hz = measure();
	if (!timer_hz)
		return -ENODEV;
	count = ns * timer_hz / 1000000000;
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_16);
	apic_write(APIC_LVT_TIMER, LOCAL_TIMER_VECTOR);
	apic_write(APIC_TIMER_INITIAL, count > UINT32_MAX ? UINT32_MAX :
				       count              ? (uint32_t)count :
							    1);
	return 0;
}

void arch_timer_stop(void)
{
	if (has_deadline())
		wrmsr(MSR_TSC_DEADLINE, 0);
	else
		apic_write(APIC_TIMER_INITIAL, 0);
}

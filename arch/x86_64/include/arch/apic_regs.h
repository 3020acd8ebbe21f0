/*
 * The local APIC's registers in both modes (SDM vol. 3 §11.4, §11.12), and the
 * two accesses that are on the path of every IPI, so that they can be inlined.
 *
 * xAPIC    registers in memory, mapped at one fixed address on every CPU
 * x2APIC   MSR 800h + offset / 10h; the ICR is one 64-bit register
 */
#ifndef ARCH_APIC_REGS_H
#define ARCH_APIC_REGS_H

#include <arch/cpu.h>
#include <lib/cpumask.h>
#include <stdbool.h>
#include <stdint.h>

#define APIC_VIRT 0xffffffffff000000ul

#define APIC_ID            0x020
#define APIC_VERSION       0x030
#define APIC_TPR           0x080
#define APIC_EOI           0x0b0
#define APIC_LDR           0x0d0
#define APIC_DFR           0x0e0
#define APIC_SVR           0x0f0
#define APIC_ISR           0x100
#define APIC_IRR           0x200
#define APIC_ESR           0x280
#define APIC_LVT_CMCI      0x2f0
#define APIC_ICR           0x300
#define APIC_ICR2          0x310
#define APIC_LVT_TIMER     0x320
#define APIC_LVT_THERMAL   0x330
#define APIC_LVT_PERF      0x340
#define APIC_LVT_LINT0     0x350
#define APIC_LVT_LINT1     0x360
#define APIC_LVT_ERROR     0x370
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_CURRENT 0x390
#define APIC_TIMER_DIVIDE  0x3e0
#define APIC_SELF_IPI      0x3f0

#define X2APIC_MSR(offset) (0x800 + ((offset) >> 4))
#define X2APIC_MSR_EOI     0x80b
#define X2APIC_MSR_ICR     0x830

#define ICR_FIXED      (0u << 8 | ICR_ASSERT)
#define ICR_NMI        (4u << 8 | ICR_ASSERT)
#define ICR_INIT       (5u << 8 | ICR_ASSERT)
#define ICR_STARTUP    (6u << 8 | ICR_ASSERT)
#define ICR_LOGICAL    (1u << 11)
#define ICR_BUSY       (1u << 12)
#define ICR_ASSERT     (1u << 14)
#define ICR_SELF       (1u << 18)
#define ICR_ALL        (2u << 18)
#define ICR_ALLBUTSELF (3u << 18)

/* Chosen once, before a second CPU runs. */
extern bool apic_x2;

/* What the ICR's destination field takes for a CPU: the id, in xAPIC mode shifted. */
extern uint32_t apic_dest[MAX_CPUS];

/*
 * How often the interconnect had not taken an IPI after ICR_WAIT_SPINS looks, so
 * that the next was written all the same. A machine where this grows is broken.
 */
extern uint32_t xapic_icr_timeouts;

/* The bits of the ICR that mean "busy": ICR_BUSY, or more while that is pretended. */
extern uint32_t xapic_busy_bits, xapic_pretended_looks;

/* The online CPUs are all the enabled ones: shorthands hit nobody else. */
extern bool apic_shorthands;

#define ICR_WAIT_SPINS 1000000

#define APIC_CLUSTER_IDS 16 /* x2APIC ids that a logical destination can name at once */

static inline volatile uint32_t *xapic_register(unsigned int offset)
{
	return (volatile uint32_t *)(APIC_VIRT + offset);
}

/*
 * The WRMSR to the ICR is not serialising and may become visible before earlier
 * stores: MFENCE makes those visible, LFENCE keeps the WRMSR from starting before
 * that (SDM vol. 3 §11.12.3).
 */
static inline void x2apic_write_icr(uint32_t destination, uint32_t command)
{
	asm volatile("mfence; lfence; wrmsr"
		     :
		     : "c"(X2APIC_MSR_ICR), "a"(command), "d"(destination)
		     : "memory");
}

/* TEST reads the register itself: C would load it first. */
static inline bool xapic_is_busy(void)
{
	bool busy;

	asm volatile("testl %2, %1"
		     : "=@ccnz"(busy)
		     : "m"(*xapic_register(APIC_ICR)), "r"(xapic_busy_bits)
		     : "memory");
	return busy;
}

/* Bounded, and without a call, so that the path of an IPI need not save registers. */
static inline void xapic_wait_while_busy(void)
{
	for (uint32_t spin = 0; xapic_is_busy(); spin++) {
		if (xapic_pretended_looks && !--xapic_pretended_looks)
			xapic_busy_bits = ICR_BUSY;
		if (spin == ICR_WAIT_SPINS) {
			xapic_icr_timeouts++;
			return;
		}
		cpu_relax();
	}
}

/*
 * The write to the low half sends. Both are uncached stores, which x86 does not
 * reorder with earlier stores (SDM vol. 3 §9.2.2). Interrupts off.
 */
static inline void xapic_write_icr(uint32_t destination, uint32_t command)
{
	if (__builtin_expect(xapic_is_busy(), 0))
		xapic_wait_while_busy();
	asm volatile("" : : : "memory");
	*xapic_register(APIC_ICR2) = destination;
	*xapic_register(APIC_ICR) = command;
}

static inline void apic_write_icr(uint32_t destination, uint32_t command)
{
	if (apic_x2)
		x2apic_write_icr(destination, command);
	else
		xapic_write_icr(destination, command);
}

static inline void apic_eoi(void)
{
	if (__builtin_expect(apic_x2, 0))
		asm volatile("wrmsr" : : "c"(X2APIC_MSR_EOI), "a"(0), "d"(0) : "memory");
	else
		*xapic_register(APIC_EOI) = 0;
}

#endif

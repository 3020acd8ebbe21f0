/*
 * Holding interrupts off on this CPU. Any context.
 */
#ifndef ARCH_IRQ_H
#define ARCH_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#define RFLAGS_IF (1ul << 9)

static inline void irq_disable(void)
{
	asm volatile("cli" : : : "memory");
}

static inline void irq_enable(void)
{
	asm volatile("sti" : : : "memory");
}

static inline unsigned long irq_flags(void)
{
	unsigned long flags;

	asm volatile("pushfq; pop %0" : "=rm"(flags) : : "memory");
	return flags;
}

static inline bool irqs_disabled_flags(unsigned long flags)
{
	return !(flags & RFLAGS_IF);
}

static inline bool irqs_disabled(void)
{
	return irqs_disabled_flags(irq_flags());
}

/* Returns what irq_restore needs. Pairs may nest. */
static inline unsigned long irq_save(void)
{
	unsigned long flags = irq_flags();

	irq_disable();
	return flags;
}

/* POPF is slow on hardware; a test and STI are not. */
static inline void irq_restore(unsigned long flags)
{
	if (!irqs_disabled_flags(flags))
		irq_enable();
}

/*
 * Registers the handler of a device vector, of the LAPIC timer, or of EXAMPLE_VECTOR;
 * NULL takes it back. It runs with interrupts off and has been acknowledged already.
 * Boot, or before the vector can arrive. Returns 0, -EINVAL for a vector that is no
 * device's, -EBUSY.
 */
int irq_register(unsigned int vector, void (*handler)(void));

#endif

/*
 * The contract of arch/x86_64/include/arch/irq.h kept by a program: interrupts are off while the
 * thread blocks the signals that stand for them.
 */
#ifndef ARCH_IRQ_H
#define ARCH_IRQ_H

#include <stdbool.h>

#define RFLAGS_IF (1ul << 9)

void irq_disable(void);
void irq_enable(void);

/* RFLAGS_IF or 0. */
unsigned long irq_flags(void);

static inline bool irqs_disabled_flags(unsigned long flags)
{
	return !(flags & RFLAGS_IF);
}

static inline bool irqs_disabled(void)
{
	return irqs_disabled_flags(irq_flags());
}

static inline unsigned long irq_save(void)
{
	unsigned long flags = irq_flags();

	irq_disable();
	return flags;
}

static inline void irq_restore(unsigned long flags)
{
	if (!irqs_disabled_flags(flags))
		irq_enable();
}

/* One handler for each vector; before the CPUs start. Returns 0, -EINVAL, -EBUSY. */
int irq_register(unsigned int vector, void (*handler)(void));

#endif

/*
 * The contract of arch/x86_64/include/arch/ipi.h kept by a program: an IPI is an ordinary signal
 * to the thread, which merges with an equal one that is pending, as in the APIC's IRR. The NMI is
 * a signal that turning interrupts off does not block.
 *
 * Nothing here orders memory, although an APIC's ICR write does: what a handler may read has to
 * follow from the atomics of the code that is tested, or ThreadSanitizer speaks up.
 */
#ifndef ARCH_IPI_H
#define ARCH_IPI_H

#include <arch/apic_regs.h> /* for tests that look at the APIC if it is in the mode for that */
#include <lib/cpumask.h>
#include <stdbool.h>
#include <stdint.h>

enum ipi_vector {
	LOCAL_TIMER_VECTOR = 0xef,
	IRQ_WORK_VECTOR = 0xf7,
	REBOOT_VECTOR = 0xf8,
	EXAMPLE_VECTOR = 0xf9,
	TLB_FLUSH_VECTOR = 0xfa,
	CALL_FUNCTION_SINGLE_VECTOR = 0xfb,
	CALL_FUNCTION_VECTOR = 0xfc,
	RESCHEDULE_VECTOR = 0xfd,
};

#define ARCH_LEAF_HANDLER

void arch_send_ipi(unsigned long cpu, enum ipi_vector vector);
void arch_send_ipi_self(enum ipi_vector vector);

/* Returns the number of writes to the ICR that x86 may need. */
unsigned int arch_send_ipi_mask(const struct cpumask *mask, enum ipi_vector vector);

/* While all threads are online it says yes or no at random, so that both ways are used. */
bool arch_has_shorthand(void);
void arch_all_online(bool all);
void arch_send_ipi_shorthand(enum ipi_vector vector);

void arch_send_nmi(unsigned int cpu);
void arch_send_nmi_self(void);

/* Blocks all signals but the NMI's, whether interrupts are on or off. */
void arch_hold_back_interrupts(bool hold);

/* There is no ICR: -ENODEV. */
int arch_pretend_busy(uint32_t looks);

/* Ends the interrupt in service. The signal left the pending ones before its handler began. */
void arch_ipi_ack(void);

/* What the kernel holds back for this thread, and what it has in service. */
void arch_ipi_state(uint32_t *pending, uint32_t *in_service);

/* A thread is never looked at from outside, so nothing needs to be told apart. */
#define IPI_PATH
extern const char ipi_text_start[], ipi_text_end[];

#define IPI_BITS_FROM 0xe0

static inline uint32_t ipi_bit(enum ipi_vector vector)
{
	return 1u << (vector - IPI_BITS_FROM);
}

#endif

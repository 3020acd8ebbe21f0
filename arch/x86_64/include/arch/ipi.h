/*
 * How one CPU makes another one act: the vectors, and the writes that send them.
 *
 * All senders must be called with interrupts off or from NMI context: the CPU
 * must not change between the choice of a target and the write, and xAPIC's ICR
 * is two registers. They order: what this CPU stored before the call is visible
 * to the handler on the target.
 */
#ifndef ARCH_IPI_H
#define ARCH_IPI_H

#include <arch/apic_regs.h>
#include <lib/cpumask.h>
#include <stdbool.h>
#include <stdint.h>

enum ipi_vector {
	TICK_VECTOR = 0x20, /* IRQ 0, of a device that ticks for all CPUs */
	LOCAL_TIMER_VECTOR = 0xef,
	IRQ_WORK_VECTOR = 0xf7,
	REBOOT_VECTOR = 0xf8,
	EXAMPLE_VECTOR = 0xf9,
	TLB_FLUSH_VECTOR = 0xfa,
	CALL_FUNCTION_SINGLE_VECTOR = 0xfb,
	CALL_FUNCTION_VECTOR = 0xfc,
	RESCHEDULE_VECTOR = 0xfd,
	ERROR_VECTOR = 0xfe,
	SPURIOUS_VECTOR = 0xff,
};

/* A handler that calls nothing, and saves by itself what it uses: its entry need not. */
#define ARCH_LEAF_HANDLER __attribute__((no_caller_saved_registers))

/* Sends to one CPU, which may be this one. One ICR write. */
static inline void arch_send_ipi(unsigned long cpu, enum ipi_vector vector)
{
	apic_write_icr(apic_dest[cpu], ICR_FIXED | vector);
}

/* Sends to this CPU. Leaves a send that an NMI interrupted as it was. */
void arch_send_ipi_self(enum ipi_vector vector);

/*
 * Sends to every CPU in the mask, this one too if it is named, in as few ICR
 * writes as the mode allows. Nobody else is interrupted. Returns that number.
 */
unsigned int arch_send_ipi_mask(const struct cpumask *mask, enum ipi_vector vector);

/* All online CPUs but this one; and with it. Return the number of ICR writes. */
unsigned int arch_send_ipi_allbutself(enum ipi_vector vector);
unsigned int arch_send_ipi_all(enum ipi_vector vector);

/*
 * Told by cpu_set_online: whether all CPUs are online, before the mask loses one and
 * after it gained one. A shorthand would hit those that are not.
 */
void arch_all_online(bool all);

/* Whether the next one may be used: it hits exactly the online CPUs. Any context. */
static inline bool arch_has_shorthand(void)
{
	return apic_shorthands;
}

/* arch_send_ipi_allbutself in one ICR write. */
static inline void arch_send_ipi_shorthand(enum ipi_vector vector)
{
	apic_write_icr(0, ICR_FIXED | ICR_ALLBUTSELF | vector);
}

/* The same for the NMI, which no vector names. Any context, NMI included. */
void arch_send_nmi(unsigned int cpu);
void arch_send_nmi_self(void);

/*
 * Faults on purpose. Holds back every interrupt but NMIs in this CPU's APIC, or lets
 * them come; they stay pending. Thread context on the CPU.
 */
void arch_hold_back_interrupts(bool hold);

/* Lets the next send find the ICR busy for so many looks at it; -ENODEV in x2APIC mode. */
int arch_pretend_busy(uint32_t looks);

/* Acknowledges the interrupt in service (EOI): its priority class may come again. */
static inline void arch_ipi_ack(void)
{
	apic_eoi();
}

/* Whether vector waits to be taken by this CPU (its bit in the IRR). Interrupts off. */
bool arch_ipi_pending(enum ipi_vector vector);

/*
 * Which IPIs wait to be taken by this CPU, and which were taken and not acknowledged:
 * a bit of each is ipi_bit's. Interrupts off or NMI.
 */
void arch_ipi_state(uint32_t *pending, uint32_t *in_service);

/*
 * Marks what runs between an IPI's acknowledgement and the exchange that empties its
 * queue. A CPU that stands there took the IPI, though neither IRR nor ISR shows it.
 */
#define IPI_PATH __attribute__((section(".text.ipi")))

extern const char ipi_text_start[], ipi_text_end[];

#define IPI_BITS_FROM 0xe0

static inline uint32_t ipi_bit(enum ipi_vector vector)
{
	return 1u << (vector - IPI_BITS_FROM);
}

#endif

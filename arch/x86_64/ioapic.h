/*
 * The I/O APIC behind an ISA interrupt: where one of them goes. Boot CPU, unless told otherwise.
 */
#ifndef X86_IOAPIC_H
#define X86_IOAPIC_H

#include <lib/madt.h>
#include <stdbool.h>
#include <stdint.h>

/* Keeps the table and maps the I/O APIC that the ISA timer's interrupt arrives at. Once. */
void ioapic_init(const struct madt *madt);

/*
 * Sends the ISA timer's interrupt, IRQ 0, as that vector to that APIC; it is masked until it
 * is let in. Returns 0 or -ENODEV: there is no such I/O APIC or pin, or it cannot name that APIC.
 * Interrupts off, one CPU at a time.
 */
int ioapic_route_timer(unsigned int vector, uint32_t apic_id);

/* Interrupts off, by one CPU at a time, after ioapic_route_timer. */
void ioapic_mask_timer(bool masked);

#endif

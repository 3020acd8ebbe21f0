/*
 * The I/O APIC, as far as Nudge needs it: the one pin at which the ISA timer arrives. Which
 * one that is, the MADT tells: its overrides (ACPI 6.5 §5.2.12.5), else it is GSI 0.
 *
 *   select   window    82093AA data sheet §3.1
 *   01h      version, number of the last pin in bits 16–23
 *   10h+2n   pin n: vector, polarity, trigger, mask
 *   11h+2n          destination in bits 24–31
 */
#include "ioapic.h"
#include <arch/mm.h>
#include <lib/errno.h>
#include <lib/madt_format.h>
#include <stddef.h>

#define SELECT          0x00
#define WINDOW          0x10
#define REG_VERSION     0x01
#define REG_PIN(pin)    (0x10 + 2 * (pin))
#define REG_DEST(pin)   (0x11 + 2 * (pin))
#define LAST_PIN(value) ((value) >> 16 & 0xff)

#define PIN_LOW     (1u << 13)
#define PIN_MASKED  (1u << 16)
#define DEST_MAX_ID 254 /* 255 is everyone */

static volatile uint8_t *registers; /* NULL: there is none for this interrupt */
static struct madt_isa_irq timer_irq;
static uint32_t pin;
static uint32_t entry;

static uint32_t read(uint32_t reg)
{
	*(volatile uint32_t *)(registers + SELECT) = reg;
	return *(volatile uint32_t *)(registers + WINDOW);
}

static void write(uint32_t reg, uint32_t value)
{
	*(volatile uint32_t *)(registers + SELECT) = reg;
	*(volatile uint32_t *)(registers + WINDOW) = value;
}

/* The one with the highest first pin that is not above the interrupt's. */
static const struct madt_ioapic *find(const struct madt *madt, uint32_t gsi)
{
	const struct madt_ioapic *best = NULL;

	for (unsigned int i = 0; i < madt->nr_ioapics; i++) {
		const struct madt_ioapic *one = &madt->ioapics[i];

		if (one->gsi_base <= gsi && (!best || one->gsi_base > best->gsi_base))
			best = one;
	}
	return best;
}

void ioapic_init(const struct madt *madt)
{
	const struct madt_ioapic *ioapic;

	timer_irq = madt->isa[0];
	ioapic = find(madt, timer_irq.gsi);
	if (!ioapic)
		return;
	pin = timer_irq.gsi - ioapic->gsi_base;
	registers = arch_map_device(ioapic->address, PAGE_SIZE, MAP_WRITE | MAP_UNCACHED);
}

/*
 * Edge, whatever the MADT says: some have it wrong, and the line of the PIT, which is high most of
 * the time, would interrupt without end.
 */
int ioapic_route_timer(unsigned int vector, uint32_t apic_id)
{
	if (!registers || apic_id > DEST_MAX_ID || pin > LAST_PIN(read(REG_VERSION)))
		return -ENODEV;
	entry = vector;
	if ((timer_irq.flags & MADT_POLARITY) == MADT_POLARITY_LOW)
		entry |= PIN_LOW;
	write(REG_PIN(pin), entry | PIN_MASKED);
	write(REG_DEST(pin), apic_id << 24);
	return 0;
}

void ioapic_mask_timer(bool masked)
{
	write(REG_PIN(pin), entry | (masked ? PIN_MASKED : 0));
}

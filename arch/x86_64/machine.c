/*
 * Leaving the machine: for a test harness, for a power switch, for a fresh start.
 */
#include "acpi.h"
#include "io.h"
#include <arch/machine.h>
#include <arch/mm.h>
#include <arch/time.h>

#define DEBUG_EXIT_PORT 0xf4 /* QEMU: -device isa-debug-exit,iobase=0xf4 */

#define PM1_SLP_EN        (1u << 13)
#define PM1_SLP_TYP(type) ((type & 7u) << 10)

#define RESET_CONTROL        0xcf9 /* chipset's: bit 1 hard reset, bit 2 go */
#define KEYBOARD_COMMAND     0x64
#define KEYBOARD_PULSE_RESET 0xfe
#define SETTLE_US            100000

void arch_debug_exit(uint8_t code)
{
	outb(DEBUG_EXIT_PORT, code);
}

/* ACPI 6.5 §4.8.3.2.1; enough for a machine that has left ACPI mode to the firmware. */
static void write_pm1(const struct acpi_gas *control, uint8_t type)
{
	if (control->address && control->space == ACPI_SPACE_IO)
		outw((uint16_t)control->address, (uint16_t)(PM1_SLP_TYP(type) | PM1_SLP_EN));
}

void arch_power_off(void)
{
	uint8_t a, b;

	if (acpi_soft_off_types(&a, &b))
		return;
	write_pm1(&acpi_fadt.pm1a_control, a);
	write_pm1(&acpi_fadt.pm1b_control, b);
	udelay(SETTLE_US);
}

static void reset_by_acpi(void)
{
	const struct acpi_gas *reset = &acpi_fadt.reset;

	if (reset->address && reset->space == ACPI_SPACE_IO)
		outb((uint16_t)reset->address, acpi_fadt.reset_value);
}

static void reset_by_triple_fault(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = { 0, 0 };

	asm volatile("lidt %0; int3" : : "m"(none));
}

void arch_reset(void)
{
	reset_by_acpi();
	udelay(SETTLE_US);
	outb(RESET_CONTROL, 2);
	outb(RESET_CONTROL, 6);
	udelay(SETTLE_US);
	outb(KEYBOARD_COMMAND, KEYBOARD_PULSE_RESET);
	udelay(SETTLE_US);
	reset_by_triple_fault();
}

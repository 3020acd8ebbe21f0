/*
 * HPET, ACPI PM timer and PIT: three clocks of known rate, found by their tables or
 * at their old ports.
 */
#include "acpi.h"
#include "hpet.h"
#include "io.h"
#include "pit.h"
#include "refclock.h"
#include <arch/mm.h>

#define PM_TIMER_HZ 3579545 /* ACPI 6.5 §4.8.3.3 */

#define PORT_B 0x61 /* bit 0: gate of channel 2, bit 1: speaker */

static volatile uint32_t *pm_memory;
static uint16_t pm_port;

static bool probe_hpet(struct refclock *clock)
{
	clock->hz = hpet_init() ? hpet_start_counting() : 0;
	return clock->hz;
}

static uint64_t read_pm_timer(void)
{
	return pm_memory ? *pm_memory : inl(pm_port);
}

static bool probe_pm_timer(struct refclock *clock)
{
	const struct acpi_gas *gas = &acpi_fadt.pm_timer;

	if (!gas->address)
		return false;
	if (gas->space == ACPI_SPACE_IO && gas->address <= 0xfffc)
		pm_port = (uint16_t)gas->address;
	else if (gas->space == ACPI_SPACE_MEMORY)
		pm_memory = arch_map_device(gas->address, 4, MAP_UNCACHED);
	if (!pm_port && !pm_memory)
		return false;
	clock->hz = PM_TIMER_HZ;
	clock->mask = acpi_fadt.pm_timer_32bit ? 0xffffffff : 0xffffff;
	return true;
}

static uint64_t read_pit(void)
{
	uint8_t low, high;

	outb(PIT_COMMAND, PIT_LATCH2);
	low = inb(PIT_CHANNEL2);
	high = inb(PIT_CHANNEL2);
	return 0xffff - (uint64_t)(high << 8 | low);
}

static bool probe_pit(struct refclock *clock)
{
	outb(PORT_B, (uint8_t)((inb(PORT_B) & ~2) | 1));
	outb(PIT_COMMAND, PIT_CHANNEL2_MODE0);
	outb(PIT_CHANNEL2, 0xff);
	outb(PIT_CHANNEL2, 0xff);
	clock->hz = PIT_HZ;
	return true;
}

struct refclock refclocks[] = {
	{ .name = "hpet", .mask = 0xffffffff, .probe = probe_hpet, .read = hpet_read },
	{ .name = "acpi-pm", .mask = 0xffffff, .probe = probe_pm_timer, .read = read_pm_timer },
	{ .name = "pit", .mask = 0xffff, .probe = probe_pit, .read = read_pit },
	{ .name = NULL },
};

/*
 * The HPET. As a source of interrupts it takes the PIT's place: with legacy replacement on,
 * its timer 0 is IRQ 0, whatever else its routing allows (§2.4.1).
 */
#include "hpet.h"
#include "acpi.h"
#include <arch/mm.h>
#include <arch/time.h>
#include <lib/errno.h>

#define CAPABILITIES     0x000
#define CONFIG           0x010
#define COUNTER          0x0f0
#define TIMER0_CONFIG    0x100
#define TIMER0_COMPARE   0x108
#define MAX_PERIOD       100000000 /* in fs: §2.3.4 */
#define FS_PER_SECOND    1000000000000000ull
#define HAS_LEGACY       (1ull << 15)
#define ENABLE           (1ull << 0)
#define LEGACY           (1ull << 1)
#define TIMER_LEVEL      (1ull << 1)
#define TIMER_ENABLE     (1ull << 2)
#define TIMER_PERIODIC   (1ull << 3)
#define TIMER_CAN_REPEAT (1ull << 4)
#define TIMER_SET_VALUE  (1ull << 6)
#define TIMER_32BIT      (1ull << 8)
#define TIMER_FSB        (1ull << 14)

static volatile uint8_t *registers;
static uint64_t hz;

static uint64_t read(unsigned int offset)
{
	return *(volatile uint64_t *)(registers + offset);
}

static void write(unsigned int offset, uint64_t value)
{
	*(volatile uint64_t *)(registers + offset) = value;
}

static void write_32(unsigned int offset, uint32_t value)
{
	*(volatile uint32_t *)(registers + offset) = value;
}

bool hpet_init(void)
{
	uint64_t period;

	if (hz || !acpi_hpet.address)
		return hz;
	registers = arch_map_device(acpi_hpet.address, PAGE_SIZE, MAP_WRITE | MAP_UNCACHED);
	if (!registers)
		return false;
	period = read(CAPABILITIES) >> 32;
	if (!period || period > MAX_PERIOD)
		return false;
	hz = FS_PER_SECOND / period;
	return true;
}

uint64_t hpet_start_counting(void)
{
	write(CONFIG, read(CONFIG) | ENABLE);
	return hz;
}

uint64_t hpet_read(void)
{
	return *(volatile uint32_t *)(registers + COUNTER);
}

/*
 * The first write to the comparator is a time, the second the period (§2.3.9.2.2). With 32 bits
 * no access can be split where that matters.
 */
int hpet_start_ticking(unsigned int wanted)
{
	uint64_t config;

	if (!hz || !(read(CAPABILITIES) & HAS_LEGACY) || !(read(TIMER0_CONFIG) & TIMER_CAN_REPEAT))
		return -ENODEV;
	config = read(TIMER0_CONFIG) & ~(TIMER_LEVEL | TIMER_FSB);
	write(CONFIG, read(CONFIG) & ~ENABLE);
	write(COUNTER, 0);
	write(TIMER0_CONFIG,
	      config | TIMER_ENABLE | TIMER_PERIODIC | TIMER_SET_VALUE | TIMER_32BIT);
	write_32(TIMER0_COMPARE, (uint32_t)(hz / wanted));
	udelay(1);
	write_32(TIMER0_COMPARE, (uint32_t)(hz / wanted));
	write(CONFIG, read(CONFIG) | ENABLE | LEGACY);
	return 0;
}

void hpet_stop_ticking(void)
{
	if (!hz)
		return;
	write(TIMER0_CONFIG, read(TIMER0_CONFIG) & ~TIMER_ENABLE);
	write(CONFIG, read(CONFIG) & ~LEGACY);
}

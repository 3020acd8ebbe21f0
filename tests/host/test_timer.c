/*
 * Which timer is taken, on local APICs that no emulator plays: with TSC deadline, one that counts,
 * and one that stands still. What is then asked of it must be right, too.
 */
#include <arch/x86_64/regs.h>
#include <lib/errno.h>
#include <stdint.h>

static void fake_wrmsr(uint32_t msr, uint64_t value);
static struct cpuid fake_cpuid(uint32_t leaf, uint32_t subleaf);

#define wrmsr fake_wrmsr
#define cpuid fake_cpuid
#include <arch/x86_64/timer.c>
#undef wrmsr
#undef cpuid

#include <stdlib.h>
#include <string.h>
#include <tests/host/tap.h>

#define TIMER_HZ 62500000u

static struct {
	bool has_deadline, stands_still, other_works;
	uint32_t divide, lvt, initial;
	uint64_t deadline, broadcast_ns;
	enum broadcast_source source;
	unsigned int asked; /* the broadcast timer */
} machine;

uint64_t tsc_hz = 2000000000;

bool boot_word_choice(const struct boot_word *word, const char *value)
{
	(void)word;
	(void)value;
	abort();
}

static struct cpuid fake_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	return (struct cpuid){ .ecx = leaf == 1 && machine.has_deadline ? 1u << 24 : 0 };
}

static void fake_wrmsr(uint32_t msr, uint64_t value)
{
	if (msr == MSR_TSC_DEADLINE)
		machine.deadline = value;
}

uint64_t ns_to_cycles(uint64_t ns)
{
	return ns * 2;
}

/* Time passes here alone. */
static uint64_t waited_us;

void udelay(unsigned int us)
{
	uint64_t start = cycles();

	waited_us += us;
	while (cycles() - start < us * tsc_hz / 1000000)
		;
}

uint32_t apic_read(unsigned int offset)
{
	if (offset != APIC_TIMER_CURRENT)
		return 0;
	return machine.initial -
	       (machine.stands_still ? 0 : (uint32_t)(waited_us * TIMER_HZ / 1000000));
}

void apic_write(unsigned int offset, uint32_t value)
{
	if (offset == APIC_TIMER_DIVIDE)
		machine.divide = value;
	if (offset == APIC_LVT_TIMER)
		machine.lvt = value;
	if (offset == APIC_TIMER_INITIAL)
		machine.initial = value;
}

int broadcast_oneshot(uint64_t ns, enum broadcast_source from)
{
	machine.asked++;
	machine.broadcast_ns = ns;
	machine.source = from;
	return machine.other_works ? 0 : -ENODEV;
}

void broadcast_stop(void)
{
	machine.broadcast_ns = 0;
}

static int start(enum timer_word word, uint64_t ns)
{
	machine.asked = machine.lvt = machine.initial = 0;
	machine.deadline = machine.broadcast_ns = waited_us = 0;
	timer_kind = UNKNOWN;
	timer_hz = 0;
	wanted = word;
	return arch_timer_oneshot(ns);
}

static void with_deadline(void)
{
	uint64_t before = cycles();

	machine.has_deadline = true;
	tap_ok(!start(TIMER_AUTO, 5000000) && machine.deadline >= before + 10000000,
	       "TSC deadline is taken where it is");
	tap_ok(machine.lvt == (LVT_DEADLINE | LOCAL_TIMER_VECTOR),
	       "and its entry is the deadline's");
	arch_timer_stop();
	tap_ok(!machine.deadline, "which can be taken back");
	tap_ok(!start(TIMER_LAPIC, 5000000) && machine.deadline, "as it is when it is asked for");
	machine.has_deadline = false;
}

static void that_counts(void)
{
	tap_ok(!start(TIMER_AUTO, 5000000) && !machine.asked, "one that counts is taken");
	tap_ok(machine.lvt == LOCAL_TIMER_VECTOR && machine.divide == DIVIDE_BY_16 &&
		       machine.initial,
	       "in its own way");
	tap_ok(timer_hz > TIMER_HZ / 1000 && timer_hz <= TIMER_HZ, "at a rate that was measured");
	tap_ok(machine.initial == 5000000 * timer_hz / 1000000000, "for as long as was asked");
	tap_ok(!arch_timer_oneshot(3600000000000) && machine.initial == timer_hz,
	       "a time that is too long is a second");
	arch_timer_stop();
	tap_ok(!machine.initial, "and it can be taken back");
}

static void that_stands_still(void)
{
	machine.stands_still = machine.other_works = true;
	tap_ok(!start(TIMER_AUTO, 5000000) && machine.broadcast_ns == 5000000 &&
		       machine.source == BROADCAST_ANY,
	       "where the APIC's timer stands still another device is asked");
	arch_timer_stop();
	tap_ok(!machine.broadcast_ns, "and told to stop");
	tap_ok(start(TIMER_LAPIC, 5000000) == -ENODEV && !machine.asked,
	       "unless nothing but the APIC's is wanted");
	machine.other_works = false;
	tap_ok(start(TIMER_AUTO, 5000000) == -ENODEV && machine.asked == 1,
	       "where there is none either, that is said");
	machine.stands_still = false;
}

static void that_is_asked_for(void)
{
	machine.other_works = true;
	tap_ok(!start(TIMER_HPET, 5000000) && machine.source == BROADCAST_HPET && !machine.lvt,
	       "timer=hpet leaves the APIC's alone");
	tap_ok(!start(TIMER_PIT, 5000000) && machine.source == BROADCAST_PIT && !machine.lvt,
	       "so does timer=pit");
}

int main(void)
{
	with_deadline();
	that_counts();
	that_stands_still();
	that_is_asked_for();
	return tap_done();
}

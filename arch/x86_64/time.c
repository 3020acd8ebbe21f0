/*
 * How fast the TSC runs: from CPUID where the CPU or the hypervisor says so, else
 * measured against a clock of known rate.
 */
#include "cpu_features.h"
#include "refclock.h"
#include "regs.h"
#include <arch/cpu.h>
#include <arch/time.h>
#include <kernel/console/printk.h>
#include <lib/samples.h>

#define LEAF_TSC            0x15
#define LEAF_HYPERVISOR_TSC 0x10 /* 0x40000010, EAX: kHz */
#define MIN_HZ              50000000ull
#define MAX_HZ              20000000000ull
#define GUESS_HZ            1000000000ull
#define SAMPLES             5
#define READINGS            5
#define SAMPLE_US           2000
#define MAX_SPREAD_PERCENT  5
#define STUCK_CYCLES        2000000000ull /* no clock takes that long for a sample */
#define FRACTION_BITS       32

uint64_t tsc_hz;
const char *tsc_source = "unknown";

static uint64_t boot_cycles;
static uint64_t ns_per_cycle; /* fixed point, FRACTION_BITS */

static uint64_t scale(uint64_t value, uint64_t factor)
{
	return (uint64_t)((unsigned __int128)value * factor >> FRACTION_BITS);
}

uint64_t cycles_to_ns(uint64_t count)
{
	return scale(count, ns_per_cycle);
}

/* In two parts, so that nothing overflows below 584 years. */
uint64_t ns_to_cycles(uint64_t ns)
{
	return ns / 1000000000 * tsc_hz + ns % 1000000000 * tsc_hz / 1000000000;
}

uint64_t clock_ns_at(uint64_t when)
{
	return cycles_to_ns(when - boot_cycles);
}

uint64_t clock_ns(void)
{
	return clock_ns_at(cycles());
}

void udelay(unsigned int us)
{
	uint64_t start = cycles(), wanted = ns_to_cycles(us * 1000ull);

	while (cycles() - start < wanted)
		cpu_relax();
}

/* SDM vol. 3 §20.7.3: crystal × EBX / EAX. */
static uint64_t hz_from_cpuid(void)
{
	struct cpuid leaf;

	if (cpuid(0, 0).eax < LEAF_TSC)
		return 0;
	leaf = cpuid(LEAF_TSC, 0);
	return leaf.eax && leaf.ebx && leaf.ecx ? (uint64_t)leaf.ecx * leaf.ebx / leaf.eax : 0;
}

struct reading {
	uint64_t tsc, count;
};

/* Both clocks at one moment: of several tries the one that was interrupted least. */
static struct reading read_both(const struct refclock *clock)
{
	uint64_t shortest = UINT64_MAX;
	struct reading best = { 0 };

	for (int i = 0; i < READINGS; i++) {
		uint64_t before = cycles_ordered(), count = clock->read();
		uint64_t took = cycles_ordered() - before;

		if (took >= shortest)
			continue;
		shortest = took;
		best = (struct reading){ before + took / 2, count };
	}
	return best;
}

/* The TSC's rate over one sample of the clock; 0 if the clock stands still. */
static uint64_t sample(const struct refclock *clock)
{
	uint64_t wanted = clock->hz * SAMPLE_US / 1000000, start = cycles(), passed;
	struct reading first = read_both(clock), last;

	do {
		last = read_both(clock);
		passed = (last.count - first.count) & clock->mask;
		if (cycles() - start > STUCK_CYCLES)
			return 0;
	} while (passed < wanted);
	return (last.tsc - first.tsc) * clock->hz / passed; /* below 2^31 * 2^27 */
}

/* The middle one of the samples. A wide spread is only reported: there is nothing better. */
static uint64_t measure(struct refclock *clock)
{
	uint64_t hz[SAMPLES];

	for (int i = 0; i < SAMPLES; i++) {
		hz[i] = sample(clock);
		if (!hz[i])
			return 0;
	}
	samples_sort(hz, SAMPLES);
	if (hz[SAMPLES - 1] - hz[0] > hz[0] * MAX_SPREAD_PERCENT / 100)
		printk("time: %s and the TSC disagree from sample to sample: %lu to %lu Hz\n",
		       clock->name, hz[0], hz[SAMPLES - 1]);
	return hz[SAMPLES / 2];
}

static bool use(uint64_t hz, const char *source)
{
	if (!hz)
		return false;
	if (hz < MIN_HZ || hz > MAX_HZ) {
		printk("time: %s says the TSC runs at %lu Hz, which cannot be\n", source, hz);
		return false;
	}
	tsc_hz = hz;
	tsc_source = source;
	ns_per_cycle = (1000000000ull << FRACTION_BITS) / hz;
	return true;
}

static bool use_refclocks(void)
{
	for (struct refclock *clock = refclocks; clock->name; clock++) {
		if (clock->probe(clock) && use(measure(clock), clock->name))
			return true;
	}
	return false;
}

void arch_time_init(void)
{
	boot_cycles = cycles();
	if (use(hz_from_cpuid(), "cpuid") ||
	    use(hypervisor_leaf(LEAF_HYPERVISOR_TSC).eax * 1000ull, "hypervisor") ||
	    use_refclocks())
		return;
	printk("time: no clock to measure the TSC by, 1 GHz is assumed\n");
	use(GUESS_HZ, "assumed");
}

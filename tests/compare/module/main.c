/*
 * A module for Linux that takes the figures that Nudge's benchmarks take, and prints them in the
 * same form. Loading it runs the benchmarks that rows= names, on the CPU of whoever loads it, which
 * must be CPU 0; nothing is printed while one runs.
 */
#include "bench.h"
#include <asm/apicdef.h>
#include <asm/hypervisor.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/tsc.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/utsname.h>
#include <tests/bench/method.h>

static char *rows = "";
module_param(rows, charp, 0444);
MODULE_PARM_DESC(rows, "which benchmarks: names, with commas between");

/* For the rows that the program which loads this takes itself. */
static unsigned long tsc_hz;
module_param(tsc_hz, ulong, 0444);
static char *apic = "xapic";
module_param(apic, charp, 0444);

static const struct bench *const tables[] = { call_benches, burst_benches, many_benches,
					      wake_benches };
static u64 samples[SAMPLES];

static bool is_wanted(const char *name)
{
	const char *at = rows;
	size_t length = strlen(name);

	while (*at) {
		size_t word = strcspn(at, ",");

		if (word == length && !memcmp(at, name, length))
			return true;
		at += word + (at[word] == ',');
	}
	return false;
}

/*
 * Lets the receivers come to rest in their loops, and other threads of this CPU run: while one of
 * them waits for its turn, each call takes an instruction more.
 */
static void gap(enum receiver receiver)
{
	u64 ticks = receiver == RECEIVER_HALTED ? GAP_HALTED : GAP_SPINNING;
	u64 start;

	cond_resched();
	start = rdtsc();
	while (rdtsc() - start < ticks)
		cpu_relax();
}

static void take_samples(const struct bench *bench, int count)
{
	for (int i = bench->samples ? 0 : -WARM_UPS; i < count; i++) {
		u64 sample;

		gap(bench->receiver);
		sample = bench->sample();
		if (i >= 0)
			samples[i] = sample;
	}
}

static int by_size(const void *a, const void *b)
{
	u64 one = *(const u64 *)a, other = *(const u64 *)b;

	return one < other ? -1 : one > other;
}

/* By nearest rank, as lib/samples.c does it. */
static u64 percentile(int count, int percent)
{
	return samples[(count * percent + 99) / 100 - 1];
}

static void print_result(const struct bench *bench, int count)
{
	sort(samples, count, sizeof(samples[0]), by_size, NULL);
	pr_info(BENCH_LINE("llu", "lu"), bench->name, num_online_cpus(), count, samples[0],
		percentile(count, 50), percentile(count, 90), percentile(count, 99),
		samples[count - 1], apic, tsc_hz);
}

static int run_one(const struct bench *bench)
{
	int count = num_online_cpus() >= MANY_CPUS ? SAMPLES_MANY_CPUS : SAMPLES;
	int error = bench->begin ? bench->begin() : 0;

	if (error)
		return error;
	error = receivers_begin(bench->receiver);
	if (!error) {
		if (bench->samples)
			count = bench->samples;
		take_samples(bench, count);
		receivers_end();
		print_result(bench, count);
	}
	if (bench->end)
		bench->end();
	return error;
}

static void print_run(void)
{
	pr_info("# bench-run {\"commit\":\"%s\",\"compiler\":\"gcc %s\",\"cpu\":\"%s\","
		"\"hypervisor\":\"%s\",\"sender\":%u,\"target\":%d}\n",
		utsname()->release, __VERSION__, boot_cpu_data.x86_model_id,
		boot_cpu_has(X86_FEATURE_HYPERVISOR) ? "yes" : "none", smp_processor_id(),
		RECEIVER);
}

static int __init compare_init(void)
{
	u64 base;

	rdmsrl(MSR_IA32_APICBASE, base);
	if (base & X2APIC_ENABLE)
		apic = "x2apic";
	tsc_hz = 1000ul * tsc_khz;
	print_run();
	for (unsigned int i = 0; i < ARRAY_SIZE(tables); i++) {
		for (const struct bench *bench = tables[i]; bench->name; bench++) {
			int error = is_wanted(bench->name) ? run_one(bench) : 0;

			if (error) {
				pr_err("# %s: error %d\n", bench->name, error);
				return error;
			}
		}
	}
	return 0;
}

static void __exit compare_exit(void) {}

module_init(compare_init);
module_exit(compare_exit);
MODULE_DESCRIPTION("What inter-processor calls cost in Linux");
MODULE_LICENSE("Dual MIT/GPL");

/*
 * What the system calls cost that take a translation away: with threads of this program on other
 * CPUs, which spin, so that each of them must be told.
 */
#include "init.h"
#include <lib/samples.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <tests/bench/method.h>

#define PAGE       4096u
#define MANY_PAGES 33
#define MOST_CPUS  1024

static uint64_t samples[SAMPLES];
static pthread_t spinners[MOST_CPUS];
static atomic_uint spinning;
static atomic_bool stop;

static inline uint64_t cycles_ordered(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static void *spin(void *cpu)
{
	pin((unsigned int)(uintptr_t)cpu);
	atomic_fetch_add_explicit(&spinning, 1, memory_order_relaxed);
	while (!atomic_load_explicit(&stop, memory_order_relaxed))
		relax();
	return NULL;
}

static void start_spinners(unsigned int count)
{
	atomic_store_explicit(&spinning, 0, memory_order_relaxed);
	atomic_store_explicit(&stop, false, memory_order_relaxed);
	for (unsigned int cpu = 1; cpu <= count; cpu++) {
		if (pthread_create(&spinners[cpu], NULL, spin, (void *)(uintptr_t)cpu))
			die("pthread_create");
	}
	while (atomic_load_explicit(&spinning, memory_order_relaxed) < count)
		relax();
}

static void end_spinners(unsigned int count)
{
	atomic_store_explicit(&stop, true, memory_order_relaxed);
	for (unsigned int cpu = 1; cpu <= count; cpu++)
		pthread_join(spinners[cpu], NULL);
}

/* A mapping of its own: a part of a larger one would cost the splitting of that, too. */
static char *new_mapping(size_t count, int more_flags)
{
	char *mapping = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | more_flags, -1, 0);

	if (mapping == MAP_FAILED)
		die("mmap");
	return mapping;
}

static void unmap(char *mapping, size_t count)
{
	if (munmap(mapping, count * PAGE))
		die("munmap");
}

static void touch(char *mapping, size_t count)
{
	for (size_t i = 0; i < count; i++)
		*(volatile char *)(mapping + i * PAGE) = 1;
}

static uint64_t protect(char *mapping, size_t count)
{
	uint64_t start, end;

	touch(mapping, count);
	start = cycles_ordered();
	if (mprotect(mapping, count * PAGE, PROT_READ))
		die("mprotect");
	end = cycles_ordered();
	if (mprotect(mapping, count * PAGE, PROT_READ | PROT_WRITE))
		die("mprotect");
	return end - start;
}

static uint64_t unmap_new(char *none, size_t count)
{
	char *mapping = new_mapping(count, MAP_POPULATE);
	uint64_t start = cycles_ordered();

	(void)none;
	unmap(mapping, count);
	return cycles_ordered() - start;
}

static void gap(void)
{
	uint64_t start = cycles_ordered();

	while (cycles_ordered() - start < GAP_SPINNING)
		relax();
}

static int sample_count(void)
{
	return online_cpus() >= MANY_CPUS ? SAMPLES_MANY_CPUS : SAMPLES;
}

/* One row's subject. A mapping that is kept would lie beside a new one, and be merged with it. */
struct subject {
	uint64_t (*sample)(char *mapping, size_t count);
	size_t pages;
	bool keeps_mapping;
};

static const struct subject protect_page = { protect, 1, true };
static const struct subject protect_pages = { protect, MANY_PAGES, true };
static const struct subject unmap_page = { unmap_new, 1, false };

/* others: how many other CPUs run a thread of this program meanwhile. */
static struct summary measure(const struct subject *subject, unsigned int others)
{
	char *mapping = NULL;

	start_spinners(others);
	if (subject->keeps_mapping)
		mapping = new_mapping(subject->pages, 0);
	for (int i = -WARM_UPS; i < sample_count(); i++) {
		uint64_t ticks;

		gap();
		ticks = subject->sample(mapping, subject->pages);
		if (i >= 0)
			samples[i] = ticks;
	}
	end_spinners(others);
	if (mapping)
		unmap(mapping, subject->pages);
	return samples_summary(samples, (size_t)sample_count());
}

static uint64_t added(uint64_t together, uint64_t alone, unsigned int others)
{
	return together > alone ? (together - alone) / others : 0;
}

/* What each further CPU adds: all of them spinning, less none of them. */
static struct summary each_remote(void)
{
	unsigned int others = online_cpus() - 1;
	uint64_t alone = measure(&protect_page, 0).p50;
	struct summary s = measure(&protect_page, others);

	return (struct summary){ added(s.min, alone, others), added(s.p50, alone, others),
				 added(s.p90, alone, others), added(s.p99, alone, others),
				 added(s.max, alone, others) };
}

static void print(const char *name, struct summary s)
{
	char apic[16];

	snprintf(apic, sizeof(apic), "%s", module_parameter("apic"));
	say(BENCH_LINE("lu", "s"), name, online_cpus(), sample_count(), s.min, s.p50, s.p90, s.p99,
	    s.max, apic, module_parameter("tsc_hz"));
}

void tlb_benches(bool (*wanted)(const char *name))
{
	if (wanted("tlb.page.remote"))
		print("tlb.page.remote", each_remote());
	if (wanted("tlb.protect.1p"))
		print("tlb.protect.1p", measure(&protect_page, 1));
	if (wanted("tlb.protect.33p"))
		print("tlb.protect.33p", measure(&protect_pages, 1));
	if (wanted("tlb.unmap.1p"))
		print("tlb.unmap.1p", measure(&unmap_page, 1));
}

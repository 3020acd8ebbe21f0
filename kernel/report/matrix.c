/*
 * The round trip of a waited call, between every pair of CPUs. Each sender runs its
 * own row, one sender at a time, while all the others are halted.
 *
 * Over MATRIX_CPUS CPUs the table would not fit on a screen and take too long:
 * then a sample of pairs is measured and only the extremes are told.
 */
#include <arch/time.h>
#include <kernel/console/printk.h>
#include <kernel/report/matrix.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/sched/work.h>
#include <kernel/time/tick.h>
#include <lib/printf.h>
#include <lib/random.h>
#include <lib/samples.h>

#define MATRIX_CPUS   12
#define SAMPLED_PAIRS 128
#define WARM_UPS      10
#define SAMPLES       200
#define ROW_TEXT      160

struct pair {
	unsigned int from, to;
	struct summary trip; /* in TSC ticks */
};

static struct pair
	pairs[MATRIX_CPUS * MATRIX_CPUS > SAMPLED_PAIRS ? MATRIX_CPUS *MATRIX_CPUS : SAMPLED_PAIRS];
static unsigned int pair_count;

static void nothing(void *info)
{
	(void)info;
}

/* On the sender. */
static void measure_pair(void *info)
{
	static uint64_t samples[SAMPLES];
	struct pair *pair = info;

	for (int i = -WARM_UPS; i < SAMPLES; i++) {
		uint64_t start = cycles_ordered();

		smp_call_function_single(pair->to, nothing, NULL, true);
		if (i >= 0)
			samples[i] = cycles_ordered() - start;
	}
	pair->trip = samples_summary(samples, SAMPLES);
}

static void add_pair(unsigned int from, unsigned int to)
{
	struct pair *pair = &pairs[pair_count++];

	pair->from = from;
	pair->to = to;
	work_run(from, measure_pair, pair);
}

static void measure_all(void)
{
	pair_count = 0;
	for_each_cpu(from, &cpu_online_mask) {
		for_each_cpu(to, &cpu_online_mask) {
			if (from != to)
				add_pair(from, to);
		}
	}
}

static unsigned int nth_online(uint64_t n)
{
	for_each_cpu(cpu, &cpu_online_mask) {
		if (!n--)
			return cpu;
	}
	return 0;
}

static void measure_some(void)
{
	uint64_t state = 1, online = cpumask_weight(&cpu_online_mask);

	pair_count = 0;
	while (pair_count < SAMPLED_PAIRS) {
		unsigned int from = nth_online(random_below(&state, online));
		unsigned int to = nth_online(random_below(&state, online));

		if (from != to)
			add_pair(from, to);
	}
}

static uint64_t in_ns(const struct pair *pair, size_t offset)
{
	return cycles_to_ns(*(const uint64_t *)((const char *)&pair->trip + offset));
}

static uint64_t in_ticks(const struct pair *pair, size_t offset)
{
	return *(const uint64_t *)((const char *)&pair->trip + offset);
}

/* pairs[] is in row order, so one walk through it fills the table. */
static void print_table(const char *title, size_t offset,
			uint64_t (*value)(const struct pair *, size_t))
{
	const struct pair *pair = pairs;
	char row[ROW_TEXT];
	int used = snprintf(row, sizeof(row), "\n%-9s", title);

	for_each_cpu(to, &cpu_online_mask)
		used += snprintf(row + used, sizeof(row) - (size_t)used, " %*s%u", to < 10 ? 7 : 6,
				 "to ", to);
	printk("%s\n", row);
	for_each_cpu(from, &cpu_online_mask) {
		used = snprintf(row, sizeof(row), "from %-4u", from);
		for_each_cpu(to, &cpu_online_mask) {
			if (from == to)
				used += snprintf(row + used, sizeof(row) - (size_t)used,
						 "        ·");
			else
				used += snprintf(row + used, sizeof(row) - (size_t)used, " %8lu",
						 value(pair++, offset));
		}
		printk("%s\n", row);
	}
}

static void print_extremes(void)
{
	const struct pair *quiet = pairs, *slow = pairs, *ragged = pairs;
	uint64_t ratio;

	for (const struct pair *pair = pairs; pair < pairs + pair_count; pair++) {
		if (pair->trip.p50 < quiet->trip.p50)
			quiet = pair;
		if (pair->trip.p50 > slow->trip.p50)
			slow = pair;
		if (pair->trip.p99 * ragged->trip.p50 > ragged->trip.p99 * pair->trip.p50)
			ragged = pair;
	}
	ratio = ragged->trip.p99 * 10 / (ragged->trip.p50 ? ragged->trip.p50 : 1);
	printk("\nquietest pair %u→%u %lu ns   slowest %u→%u %lu ns   p99/p50 at worst %lu.%lu (%u→%u)\n",
	       quiet->from, quiet->to, cycles_to_ns(quiet->trip.p50), slow->from, slow->to,
	       cycles_to_ns(slow->trip.p50), ratio / 10, ratio % 10, ragged->from, ragged->to);
}

void matrix_report(void)
{
	unsigned int online = cpumask_weight(&cpu_online_mask);

	if (online < 2) {
		printk("\nOne CPU: there is nobody to nudge.\n");
		return;
	}
	printk("\nWho can nudge whom, and how fast (waited call, round trip, halted targets, %d "
	       "samples a pair)\n",
	       SAMPLES);
	tick_suspend();
	if (online > MATRIX_CPUS) {
		measure_some();
		printk("%u of %u pairs, drawn at random\n", pair_count, online * (online - 1));
	} else {
		measure_all();
		print_table("p50 ns", offsetof(struct summary, p50), in_ns);
		print_table("min ns", offsetof(struct summary, min), in_ns);
		print_table("p99 ns", offsetof(struct summary, p99), in_ns);
		print_table("p50 ticks", offsetof(struct summary, p50), in_ticks);
	}
	tick_resume();
	print_extremes();
}

/*
 * The round trip of a waited call, between every pair of CPUs. Each sender runs its
 * own row, one sender at a time, while all the others are halted.
 *
 * Over MATRIX_CPUS CPUs the table would not fit on a screen and take too long:
 * then a sample of pairs is measured, and its extremes and middle are told.
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
#include <stdarg.h>

#define MATRIX_CPUS   12
#define SAMPLED_PAIRS 128
#define WARM_UPS      10
#define SAMPLES       200
#define TWO_ABREAST   4 /* up to so many CPUs, that all of the report fits on a screen */
#define GAP           "     "
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

static const struct table {
	const char *title;
	size_t offset; /* in struct summary */
	bool in_ns;
} tables[] = {
	{ "p50 ns", offsetof(struct summary, p50), true },
	{ "p50 ticks", offsetof(struct summary, p50), false },
	{ "min ns", offsetof(struct summary, min), true },
	{ "min ticks", offsetof(struct summary, min), false },
	{ "p99 ns", offsetof(struct summary, p99), true },
	{ "p99 ticks", offsetof(struct summary, p99), false },
};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

static char row[ROW_TEXT];
static int row_used;

static void __attribute__((format(printf, 1, 2))) append(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	row_used += vsnprintf(row + row_used, sizeof(row) - (size_t)row_used, format, args);
	va_end(args);
}

static void end_row(void)
{
	printk("%s\n", row);
	row_used = 0;
}

static uint64_t cell(const struct table *table, const struct pair *pair)
{
	uint64_t ticks = *(const uint64_t *)((const char *)&pair->trip + table->offset);

	return table->in_ns ? cycles_to_ns(ticks) : ticks;
}

static void append_head(const struct table *table)
{
	append("%-9s", table->title);
	for_each_cpu(to, &cpu_online_mask)
		append(" %*s%u", to < 10 ? 7 : 6, "to ", to);
}

/* The row's pairs. */
static void append_cells(const struct table *table, unsigned int from, const struct pair *pair)
{
	append("from %-4u", from);
	for_each_cpu(to, &cpu_online_mask) {
		if (from == to)
			append("        ·");
		else
			append(" %8lu", cell(table, pair++));
	}
}

/* Some tables beside each other. pairs[] is in row order. */
static void print_tables(const struct table *table, unsigned int count)
{
	const struct pair *pair = pairs;

	append("\n");
	for (unsigned int i = 0; i < count; i++) {
		append("%s", i ? GAP : "");
		append_head(&table[i]);
	}
	end_row();
	for_each_cpu(from, &cpu_online_mask) {
		for (unsigned int i = 0; i < count; i++) {
			append("%s", i ? GAP : "");
			append_cells(&table[i], from, pair);
		}
		end_row();
		pair += cpumask_weight(&cpu_online_mask) - 1;
	}
}

/* The quietest first. The tables' order is lost. */
static void sort_pairs(void)
{
	for (unsigned int i = 1; i < pair_count; i++) {
		struct pair moving = pairs[i];
		unsigned int j = i;

		for (; j && pairs[j - 1].trip.p50 > moving.trip.p50; j--)
			pairs[j] = pairs[j - 1];
		pairs[j] = moving;
	}
}

static void print_pair(const char *which, const struct pair *pair)
{
	const struct summary *trip = &pair->trip;

	printk("%-11s %4u→%-4u %8lu %8lu %8lu   %9lu %9lu %9lu\n", which, pair->from, pair->to,
	       cycles_to_ns(trip->min), cycles_to_ns(trip->p50), cycles_to_ns(trip->p99), trip->min,
	       trip->p50, trip->p99);
}

static void print_extremes(void)
{
	const struct pair *ragged = pairs;

	sort_pairs();
	for (const struct pair *pair = pairs; pair < pairs + pair_count; pair++) {
		if (pair->trip.p99 * ragged->trip.p50 > ragged->trip.p99 * pair->trip.p50)
			ragged = pair;
	}
	printk("\npair                    min ns   p50 ns   p99 ns   min ticks p50 ticks p99 ticks\n");
	print_pair("quietest", &pairs[0]);
	print_pair("middle", &pairs[pair_count / 2]);
	print_pair("slowest", &pairs[pair_count - 1]);
	print_pair("most uneven", ragged);
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
		for (unsigned int i = 0, count = online > TWO_ABREAST ? 1 : 2; i < TABLES;
		     i += count)
			print_tables(&tables[i], count);
	}
	tick_resume();
	print_extremes();
}

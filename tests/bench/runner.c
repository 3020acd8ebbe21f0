/*
 * Runs the benchmarks that bench= names. Nothing is printed while one runs.
 */
#include "bench.h"
#include "method.h"
#include <arch/cpu.h>
#include <arch/machine.h>
#include <kernel/bootword.h>
#include <kernel/console/printk.h>
#include <kernel/monitor/monitor.h>
#include <kernel/progress.h>
#include <kernel/run.h>
#include <kernel/smp/cpu.h>
#include <kernel/sched/work.h>
#include <kernel/time/tick.h>
#include <kernel/version.h>
#include <lib/glob.h>
#include <lib/printf.h>
#include <lib/samples.h>
#include <lib/string.h>

#define DELIBERATE      "deliberate." /* benchmarks that fail; only when named */
#define MISSING_AT_MOST 20 /* one of so many samples: whoever shares the CPUs holds up some */

extern const struct bench *const benches_start[], *const benches_end[];

static char wanted[240] = "*";
BOOT_WORD_TEXT(bench, wanted, "which benchmarks: name patterns, with commas between");

static uint64_t samples[SAMPLES];
static atomic_bool stop_spinning;

static void spin(void *info)
{
	(void)info;
	while (!atomic_load_explicit(&stop_spinning, memory_order_relaxed))
		cpu_relax();
}

static bool should_spin(unsigned int cpu, enum receiver receiver)
{
	if (cpu == this_cpu->index || receiver == RECEIVER_HALTED)
		return false;
	return cpu == RECEIVER || receiver == RECEIVERS_SPIN;
}

static void start_spinners(enum receiver receiver)
{
	atomic_store_explicit(&stop_spinning, false, memory_order_relaxed);
	for_each_cpu(cpu, &cpu_online_mask) {
		if (should_spin(cpu, receiver))
			work_start(cpu, spin, NULL);
	}
}

static void end_spinners(void)
{
	atomic_store_explicit(&stop_spinning, true, memory_order_relaxed);
	for_each_cpu(cpu, &cpu_online_mask)
		work_wait(cpu);
}

/* Lets the receivers come to rest in their loops. */
static void gap(enum receiver receiver)
{
	uint64_t ticks = receiver == RECEIVER_HALTED ? GAP_HALTED : GAP_SPINNING;
	uint64_t start = cycles();

	while (cycles() - start < ticks)
		cpu_relax();
}

static void take_samples(const struct bench *bench, int count)
{
	start_spinners(bench->receiver);
	if (bench->begin)
		bench->begin();
	for (int i = bench->samples ? 0 : -WARM_UPS; i < count; i++) {
		uint64_t sample;

		gap(bench->receiver);
		sample = bench->sample();
		if (i >= 0)
			samples[i] = sample;
	}
	if (bench->end)
		bench->end();
	end_spinners();
}

/* How many samples there are without those that could not be taken. */
static int keep_taken(int count)
{
	int taken = 0;

	for (int i = 0; i < count; i++) {
		if (samples[i] != NO_SAMPLE)
			samples[taken++] = samples[i];
	}
	return taken;
}

static void print_line(const char *name, int count, const struct summary *s)
{
	printk(BENCH_LINE("lu", "lu"), name, cpumask_weight(&cpu_online_mask), count, s->min,
	       s->p50, s->p90, s->p99, s->max, arch_apic_mode(), tsc_hz);
}

static void print_skip(const char *name, const char *reason)
{
	printk("# bench-skip {\"name\":\"%s\",\"reason\":\"%s\"}\n", name, reason);
}

/* A figure of the other APIC mode would be mistaken for one of the mode that was asked for. */
static bool is_other_mode(const char *name)
{
	const char *why = arch_apic_mode_refused();

	if (why)
		print_skip(name, why);
	return why != NULL;
}

/*
 * Not a benchmark that can be repeated: it is over when the first line is printed. With a CPU that
 * did not come it is the time until that one was given up.
 */
static void print_boot(void)
{
	uint64_t t = progress_online_ticks;
	const struct summary once = { t, t, t, t, t };
	unsigned int online = cpumask_weight(&cpu_online_mask);
	char reason[64];

	if (is_other_mode("boot.online"))
		return;
	if (online == nr_cpus) {
		print_line("boot.online", 1, &once);
		return;
	}
	snprintf(reason, sizeof(reason), "%u of %u CPUs came online", online, nr_cpus);
	print_skip("boot.online", reason);
}

/* Bodies name CPUs by number, and count those that are online: that must be the same. */
static unsigned int first_hole(void)
{
	unsigned int cpu = 0;

	while (cpu < nr_cpus && cpumask_test(&cpu_online_mask, cpu))
		cpu++;
	return cpu;
}

/* Says why, if this machine cannot take the figure. */
static bool cannot_run(const struct bench *bench, unsigned int online)
{
	unsigned int hole = first_hole();
	char reason[64];

	if (online >= bench->min_cpus && hole == online)
		return false;
	if (online < bench->min_cpus)
		snprintf(reason, sizeof(reason), "needs %u CPUs online, there are %u",
			 bench->min_cpus, online);
	else
		snprintf(reason, sizeof(reason), "CPU %u is not online", hole);
	print_skip(bench->name, reason);
	return true;
}

static void run_one(const struct bench *bench)
{
	unsigned int online = cpumask_weight(&cpu_online_mask);
	int count = online >= MANY_CPUS ? SAMPLES_MANY_CPUS : SAMPLES;
	struct summary summary;
	int taken;

	if (is_other_mode(bench->name) || cannot_run(bench, online))
		return;
	if (bench->samples)
		count = (int)bench->samples;
	take_samples(bench, count);
	taken = keep_taken(count);
	if (taken < count - count / MISSING_AT_MOST) {
		print_skip(bench->name, "differences were not positive");
		return;
	}
	summary = samples_summary(samples, (size_t)taken);
	print_line(bench->name, taken, &summary);
}

static bool selected(const struct bench *bench)
{
	bool deliberate = !strncmp(bench->name, DELIBERATE, strlen(DELIBERATE));

	if (deliberate && strncmp(wanted, DELIBERATE, strlen(DELIBERATE)))
		return false;
	return glob_match_list(wanted, bench->name);
}

static enum verdict run_benches(void)
{
	const char *hypervisor = cpu_hypervisor();
	unsigned int ran = 0;

	printk("# bench-run {\"commit\":\"%s\",\"compiler\":\"%s\",\"cpu\":\"%s\",\"hypervisor\":"
	       "\"%s\",\"sender\":0,\"target\":%d}\n",
	       nudge_commit, nudge_compiler, cpu_model(), hypervisor ? hypervisor : "none",
	       RECEIVER);
	if (glob_match_list(wanted, "boot.online")) {
		print_boot();
		ran++;
	}
	printk_flush();
	tick_suspend();
	for (const struct bench *const *bench = benches_start; bench < benches_end; bench++) {
		if (!selected(*bench))
			continue;
		run_one(*bench);
		ran++;
	}
	tick_resume();
	if (!ran)
		printk("# bench=%s names no benchmark\n", wanted);
	return ran ? VERDICT_PASS : VERDICT_FAIL;
}
RUN_MODE_TIMED(bench, run_benches);

static void bench_command(const char *arguments)
{
	size_t length = strlen(arguments);

	if (length >= sizeof(wanted)) {
		printk("too long\n");
		return;
	}
	memcpy(wanted, length ? arguments : "*", length ? length + 1 : 2);
	run_benches();
}
COMMAND(bench, "run benchmarks; a pattern may follow, e.g. bench call.*", bench_command);

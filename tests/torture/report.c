/*
 * What torture says: broken rules when they break, and at the end a line of TAP for
 * each rule and the counts.
 */
#include "crowd.h"
#include "torture.h"
#include <arch/cpu.h>
#include <arch/machine.h>
#include <kernel/console/printk.h>
#include <kernel/debug/recorder.h>
#include <kernel/smp/stall.h>
#include <lib/printf.h>
#include <stdarg.h>

#define SAID_MAX 10

static const char *const rule_names[RULES] = {
	[RULE_EXACTLY_ONCE] = "exactly_once",
	[RULE_NOWHERE_ELSE] = "nowhere_else",
	[RULE_ORDER] = "order",
	[RULE_VISIBLE_THERE] = "visible_there",
	[RULE_VISIBLE_BACK] = "visible_back",
	[RULE_WAITS] = "waits_to_the_end",
	[RULE_INTERRUPTS] = "interrupts",
	[RULE_ERRORS] = "errors",
	[RULE_CONDITIONS] = "conditions",
	[RULE_RESCHEDULE] = "reschedule",
	[RULE_IRQ_WORK] = "irq_work",
	[RULE_THREAD_ALONE] = "thread_alone",
	[RULE_THREAD_PLACE] = "thread_place",
	[RULE_THREAD_WAKES] = "thread_wakes",
	[RULE_THREAD_CALLS] = "thread_calls",
	[RULE_THREAD_LOCKS] = "thread_locks",
	[RULE_GOES_ON] = "goes_on",
	[RULE_ALL_MODES] = "all_modes",
	[RULE_ACCOUNTS] = "accounts",
	[RULE_QUIET] = "quiet",
	[RULE_TLB] = "stale_translations",
	[RULE_COMPLAINTS] = "no_complaints",
};

static atomic_uint broken[RULES], said;

bool torture_failed(void)
{
	return atomic_load_explicit(&said, memory_order_relaxed) > 0;
}

uint64_t torture_patience_ns(void)
{
	return torture_failed() ? stall_deadline_ns() / 4 : 4 * stall_deadline_ns();
}

static unsigned int end_of_range(const struct cpumask *mask, unsigned int cpu)
{
	while (cpu + 1 < MAX_CPUS && cpumask_test(mask, cpu + 1))
		cpu++;
	return cpu;
}

void torture_mask_format(const struct cpumask *mask, char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size, "%s", "");
	const char *comma = "";

	for (unsigned int cpu = cpumask_next(mask, 0); cpu < MAX_CPUS && used < size;
	     cpu = cpumask_next(mask, cpu + 1)) {
		unsigned int end = end_of_range(mask, cpu);

		if (end > cpu)
			used += (size_t)snprintf(text + used, size - used, "%s%u-%u", comma, cpu,
						 end);
		else
			used += (size_t)snprintf(text + used, size - used, "%s%u", comma, cpu);
		cpu = end;
		comma = ",";
	}
}

static void print_call(const struct call *call)
{
	char targets[128];

	if (call->mode->shape == SHAPE_ONE)
		snprintf(targets, sizeof(targets), "%u", call->target);
	else if (call->mode->shape == SHAPE_ALL || call->no_mask)
		snprintf(targets, sizeof(targets), "all");
	else
		torture_mask_format(call->mask, targets, sizeof(targets));
	printk("#   call %#lx: %s of CPU %u to %s%s%s%s\n", (uint64_t)torture_name(call),
	       call->mode->name, call->by, targets, call->inside ? ", inside a function" : "",
	       call->irqs_off ? ", interrupts off" : "", call->again ? ", handed in twice" : "");
}

void torture_broken(enum rule rule, const struct call *call, const char *format, ...)
{
	va_list args;

	recorder_freeze();
	atomic_store_explicit(&torture_stopped, true, memory_order_relaxed);
	atomic_fetch_add_explicit(&broken[rule], 1, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&said, 1, memory_order_relaxed) >= SAID_MAX)
		return;
	printk("# torture.%s is broken, on CPU %u:\n", rule_names[rule], this_cpu->index);
	va_start(args, format);
	printk_line("#   ", format, args);
	va_end(args);
	if (call && call->mode)
		print_call(call);
}

void torture_report_begin(void)
{
	printk("TAP version 13\n1..%d\n", RULES);
}

static void print_modes(void)
{
	const char *comma = "";

	for (unsigned int i = 0; i < MODES; i++) {
		uint64_t made = 0;

		for_each_cpu(cpu, &torture_online)
			made += torture_senders[cpu]->by_mode[i];
		printk("%s\"%s\":%lu", comma, torture_modes[i].name, made);
		comma = ",";
	}
}

struct totals {
	uint64_t calls, ran, refused, offline, dry, digest;
};

static struct totals add_up(void)
{
	struct totals totals = { 0 };

	for_each_cpu(cpu, &torture_online) {
		const struct sender *sender = torture_senders[cpu];

		totals.calls += sender->calls;
		totals.digest = (totals.digest ^ sender->digest) * 0x100000001b3ull;
		for (unsigned int i = 0; i < CONTEXTS; i++) {
			totals.ran += sender->counts[i].ran;
			totals.refused += sender->counts[i].refused;
			totals.offline += sender->counts[i].offline;
			totals.dry += sender->counts[i].exhausted;
		}
	}
	return totals;
}

/* The digest is that of all drawn calls: with calls= it is the same for the same seed. */
static void print_summary(uint64_t seed, uint64_t ns, void (*print_more)(void))
{
	struct totals totals = add_up();

	printk("# torture {\"seed\":%lu,\"cpus\":%u,\"apic\":\"%s\",\"calls\":%lu,\"ran\":%lu,"
	       "\"refused\":%lu,\"to_offline\":%lu,\"pool_dry\":%lu,"
	       "\"digest\":\"%016lx\",\"ms\":%lu,\"modes\":{",
	       seed, torture_online_count, arch_apic_mode(), totals.calls, totals.ran,
	       totals.refused, totals.offline, totals.dry, totals.digest, ns / 1000000);
	print_modes();
	printk("}");
	print_more();
	printk("}\n");
}

static bool is_about_crowd(enum rule rule)
{
	return rule >= RULE_THREAD_ALONE && rule <= RULE_THREAD_LOCKS;
}

enum verdict torture_report_end(uint64_t seed, uint64_t ns, void (*print_more)(void))
{
	static atomic_flag reported = ATOMIC_FLAG_INIT;

	if (atomic_flag_test_and_set_explicit(&reported, memory_order_relaxed))
		cpu_park(); /* another CPU is at it, and ends the run */
	print_summary(seed, ns, print_more);
	if (torture_failed())
		recorder_print(RECORDER_LINES);
	for (unsigned int i = 0; i < RULES; i++) {
		unsigned int count = atomic_load_explicit(&broken[i], memory_order_relaxed);

		printk("%sok %u - torture.%s%s\n", count ? "not " : "", i + 1, rule_names[i],
		       !count && is_about_crowd(i) && !crowd_size ? " # SKIP no crowd" : "");
		if (count)
			printk("#   broken %u times, seed=%lu cpus=%u apic=%s\n", count, seed,
			       nr_cpus, arch_apic_mode());
	}
	return torture_failed() ? VERDICT_FAIL : VERDICT_PASS;
}

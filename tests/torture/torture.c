/*
 * run=torture: chooses who takes part, and lets the parts do their work in order.
 */
#include "crowd.h"
#include "torture.h"
#include <arch/cpu.h>
#include <arch/time.h>
#include <kernel/bootword.h>
#include <kernel/console/printk.h>
#include <kernel/debug/recorder.h>
#include <kernel/smp/stall.h>
#include <tests/kernel/capture.h>
#include <tests/kernel/test.h>

#define OFFLINE_FROM  3  /* CPUs, of which one can be spared to play an offline one */
#define MODE_EXPECTED 32 /* calls of a mode must be due, if one is to be missed */

static uint64_t seconds = 10, calls;
BOOT_WORD_NUMBER(seconds, 1, 86400, seconds, "how long torture lasts");
BOOT_WORD_NUMBER(calls, 0, 1000000000, calls, "torture ends after so many calls; 0: by time");

struct sender *torture_senders[MAX_CPUS];
struct cpumask torture_online;
unsigned int torture_online_cpus[MAX_CPUS], torture_online_count;
unsigned int torture_offline;
atomic_bool torture_stopped;
static uint64_t started;

/* A CPU that failed to start, or else one that the mask now calls offline. */
static void find_offline(void)
{
	unsigned int last = 0;

	torture_offline = MAX_CPUS;
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		if (cpu_online(cpu))
			last = cpu;
		else
			torture_offline = cpu;
	}
	if (torture_offline < MAX_CPUS || !torture_chance(CHANCE_OFFLINE) ||
	    cpumask_weight(&cpu_online_mask) < OFFLINE_FROM)
		return;
	torture_offline = last;
	cpu_set_online(last, false);
	printk("# torture: CPU %u plays an offline one\n", last);
}

static void choose_cpus(void)
{
	find_offline();
	torture_online = cpu_online_mask;
	torture_online_count = 0;
	for_each_cpu(cpu, &torture_online)
		torture_online_cpus[torture_online_count++] = cpu;
}

static uint64_t weight_of_all(void)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < MODES; i++)
		total += torture_mode_weight(i);
	return total;
}

/* A mode of which many calls were due and none was made would be no test at all. */
static void check_modes(void)
{
	uint64_t made[MODES] = { 0 }, all = 0, total = weight_of_all();

	for_each_cpu(cpu, &torture_online) {
		const struct sender *sender = torture_senders[cpu];

		all += sender->made;
		for (unsigned int i = 0; i < MODES; i++)
			made[i] += sender->by_mode[i];
		if (!sender->made)
			torture_broken(RULE_ALL_MODES, NULL, "CPU %u made no call", cpu);
	}
	for (unsigned int i = 0; i < MODES; i++) {
		if (torture_failed())
			return; /* it ended early */
		if (!made[i] && all * torture_mode_weight(i) / total >= MODE_EXPECTED)
			torture_broken(RULE_ALL_MODES, NULL, "no call of %s in %lu",
				       torture_modes[i].name, all);
	}
}

/* Some calls are made where none may be, to be refused; that is warned of. */
#define REFUSED "WARNING: smp: waited call to "

static void check_complaints(unsigned int before)
{
	if (capture_complaints() != before)
		torture_broken(RULE_COMPLAINTS, NULL, "what is told above was not expected");
}

static enum verdict cannot(const char *why)
{
	printk("# torture: %s\n", why);
	return VERDICT_FAIL;
}

/* A call that the CPU has still to run, of one who does nothing else meanwhile; NULL if none is. */
static const struct call *call_in_the_way(unsigned int cpu)
{
	for_each_cpu(by, &torture_online) {
		const struct sender *sender = torture_senders[by];
		const struct call *call = sender->current ? &sender->current->calls[OUTER] : NULL;

		if (call && call->made && torture_expects(call, cpu) &&
		    !atomic_load_explicit(&torture_entry(call, cpu)->runs, memory_order_relaxed))
			return call;
	}
	return NULL;
}

/*
 * A stall is a broken rule even if it ends, for nobody makes the IPIs get lost here. If
 * there is a second report the run is stuck, and this CPU may be the last that goes on.
 */
static void on_stall(unsigned int cpu)
{
	static atomic_uint stalls;

	torture_broken(RULE_GOES_ON, call_in_the_way(cpu), "CPU %u stalls, see above", cpu);
	if (atomic_fetch_add_explicit(&stalls, 1, memory_order_relaxed) != 1)
		return;
	torture_senders_accuse();
	crowd_accuse();
	finish_run(torture_report_end(test_seed(), clock_ns() - started, crowd_report));
}

static enum verdict run_torture(void)
{
	unsigned int complaints = capture_complaints();
	bool ended;

	choose_cpus();
	if (!weight_of_all())
		return cannot("modes= leaves nothing to do");
	if (torture_senders_make(test_seed()))
		return cannot("not enough memory for the tables of so many CPUs");
	if (recorder_wanted_for_torture() && recorder_start())
		return cannot("not enough memory for the flight recorder");
	if (torture_mode_weight(MODES - 1) && torture_tlb_open(test_seed()))
		return cannot("not enough memory for address spaces");
	stall_set_hook(on_stall);
	capture_expect(REFUSED);
	torture_works_start();
	torture_report_begin();
	torture_accounts_open();
	started = clock_ns();
	crowd_start(test_seed());
	ended = torture_senders_run(calls, seconds);
	crowd_end();
	if (ended) {
		check_modes();
		torture_works_close();
		torture_accounts_close();
		torture_tlb_close();
	}
	check_complaints(complaints);
	return torture_report_end(test_seed(), clock_ns() - started, crowd_report);
}
RUN_MODE(torture, run_torture);

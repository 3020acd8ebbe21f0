/*
 * Waits of more than one report, or of more than one CPU: how the ages go on, and what does not
 * fit into a line.
 */
#include "capture.h"
#include "hold.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/time.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/stall.h>
#include <kernel/smp/waiting.h>
#include <kernel/smp/watch.h>
#include <kernel/time/tick.h>
#include <lib/string.h>

/* CPUs that are each stuck until so many reports about it were made. */
static struct stuck {
	unsigned int cpu, reports;
	atomic_uint made;
	atomic_bool begun;
} stuck[2];

static void be_stuck(void *info)
{
	struct stuck *one = info;
	uint64_t start = cycles(), limit = ns_to_cycles(GIVE_UP_NS);

	atomic_store(&one->begun, true);
	while (atomic_load(&one->made) < one->reports && cycles() - start < limit)
		cpu_relax();
}

static void count_report(unsigned int cpu)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (stuck[i].cpu == cpu)
			atomic_fetch_add(&stuck[i].made, 1);
	}
}

static bool make_it_stuck(struct stuck *one, unsigned int cpu, unsigned int reports)
{
	one->cpu = cpu;
	one->reports = reports;
	atomic_store(&one->made, 0);
	atomic_store(&one->begun, false);
	return !smp_call_function_single(cpu, be_stuck, one, false) &&
	       WAIT_UNTIL(atomic_load(&one->begun));
}

/* Nobody ticks, so only who waits reports. */
static void begin(void)
{
	watch_set_deadline_ns(short_deadline_ns());
	tick_suspend();
	stuck[1].cpu = MAX_CPUS;
	stall_set_hook(count_report);
	clear_runs();
	capture_start();
}

static void end(void)
{
	capture_end();
	stall_set_hook(NULL);
	tick_resume();
	watch_set_deadline_ns(0);
}

/* What "5.0 s" says, in us: at least so much, and less than so much. */
struct age {
	uint64_t from, to;
};

static struct age read_age(const char *text)
{
	uint64_t digits = 0, unit = 1;
	bool point = false;

	for (; *text == '.' || (*text >= '0' && *text <= '9'); text++) {
		if (*text == '.')
			point = true;
		else
			digits = digits * 10 + (uint64_t)(*text - '0');
	}
	if (text[1] == 's')
		unit = 1000000;
	else if (text[1] == 'm')
		unit = 1000;
	if (point)
		unit /= 10;
	return (struct age){ digits * unit, (digits + 1) * unit };
}

/* The age in the next report behind *at of a wait for the CPU; moves *at there. */
static struct age next_report(const char **at, unsigned int cpu)
{
	const char *waits = text("STALL: CPU %u waits ", this_cpu->index);
	const char *report = *at ? capture_find(*at, waits) : NULL;

	*at = report ? report + strlen(waits) : NULL;
	EXPECT(*at && capture_find(*at, text(" for CPU %u to run count_run", cpu)));
	return *at ? read_age(*at) : (struct age){ 0 };
}

/* Again when the age has doubled: not sooner, for then the reports would drown the rest. */
TEST(watch, reports_come_ever_more_seldom)
{
	unsigned int cpu = other_cpu(1);
	struct age age, before;
	const char *at;

	if (lacks_cpus(2))
		return;
	begin();
	EXPECT(make_it_stuck(&stuck[0], cpu, 3));
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), 0);
	end();
	EXPECT_EQ(runs(cpu), 1);
	EXPECT(atomic_load(&stuck[0].made) >= 3);
	at = capture_find(NULL, "STALL: ");
	before = next_report(&at, cpu);
	EXPECT(before.to * 1000 > short_deadline_ns());
	for (int i = 0; i < 2; i++) {
		age = next_report(&at, cpu);
		EXPECT(age.to > 2 * before.from);
		before = age;
	}
}

/* All of them were called at one time, so the second's age is not less because the first was slow. */
TEST(watch, one_age_for_all_of_a_call_to_many)
{
	unsigned int first = other_cpu(1), second = other_cpu(2);
	const char *over = text("STALL over: CPU %u ran count_run for CPU %u, unstuck after ",
				first, this_cpu->index);
	struct cpumask both = some_others(2);
	struct age age, before;
	const char *at;

	if (lacks_cpus(3))
		return;
	begin();
	EXPECT(make_it_stuck(&stuck[0], first, 2) && make_it_stuck(&stuck[1], second, 1));
	EXPECT_EQ(smp_call_function_many(&both, count_run, NULL, true), 0);
	end();
	EXPECT(runs(first) == 1 && runs(second) == 1 && all_runs() == 2);
	at = capture_find(NULL, over);
	REQUIRE(at);
	before = read_age(at + strlen(over));
	age = next_report(&at, second);
	EXPECT(age.to > before.from);
}

static void seem_to_wait(void *cpu)
{
	waiting_begin(*(unsigned int *)cpu, (uint64_t)seem_to_wait);
}

static void seem_not_to_wait(void *unused)
{
	(void)unused;
	waiting_end();
}

/* All others wait for this CPU, and there is room for one of them. */
TEST(watch, who_is_left_out_of_the_graph_is_counted)
{
	unsigned int me = this_cpu->index, others = cpumask_weight(&cpu_online_mask) - 1;
	const char *first = text("%u → %u", other_cpu(1), me);
	char line[64];

	if (lacks_cpus(3))
		return;
	EXPECT_EQ(smp_call_function(seem_to_wait, &me, true), 0);
	EXPECT_EQ(waiting_format(me, line, strlen(first) + sizeof(" and 1024 more") + 1), others);
	EXPECT(!strcmp(line, text("%s and %u more", first, others - 1)));
	EXPECT_EQ(waiting_format(me, line, sizeof(" and 1024 more") + 1), others);
	EXPECT(!strcmp(line, text(" and %u more", others)));
	EXPECT_EQ(smp_call_function(seem_not_to_wait, NULL, true), 0);
	EXPECT_EQ(waiting_format(me, line, sizeof(line)), 0);
}

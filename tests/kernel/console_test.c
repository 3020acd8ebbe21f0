/*
 * printk from everywhere at once: every line whole, none lost, none twice.
 */
#include "capture.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/console/console.h>
#include <kernel/console/printk.h>
#include <kernel/sched/preempt.h>
#include <kernel/smp/cpu.h>
#include <kernel/sched/work.h>
#include <lib/string.h>

#define LINES 4
#define MARK  "# >"

static void say_line(unsigned int number)
{
	printk(MARK "%u line %u of this CPU, long enough to be torn<\n", this_cpu->index, number);
}

static void say_lines(void *info)
{
	(void)info;
	for (unsigned int i = 0; i < LINES; i++)
		say_line(i);
}

/* Behind the prefix, if it is there, and a number; else NULL. */
static const char *read_number(const char *line, const char *prefix, unsigned int *number)
{
	*number = 0;
	if (strncmp(line, prefix, strlen(prefix)))
		return NULL;
	for (line += strlen(prefix); *line >= '0' && *line <= '9'; line++)
		*number = *number * 10 + (unsigned int)(*line - '0');
	return line;
}

static bool whole_line(const char *line, size_t length, unsigned int *cpu)
{
	const char *rest = read_number(line, MARK, cpu);

	return rest && length >= 10 && line[length - 1] == '<' && !strncmp(rest, " line ", 6);
}

static unsigned int heard[MAX_CPUS], lost;

/* What printk says of itself. */
static bool read_lost(const char *line)
{
	unsigned int count;
	const char *rest = read_number(line, "printk: ", &count);

	if (!rest || strncmp(rest, " pieces of text lost", 20))
		return false;
	lost += count;
	return true;
}

static void read_capture(void)
{
	size_t length;
	const char *line = capture_text(&length), *end = line + length;

	memset(heard, 0, sizeof(heard));
	lost = 0;
	while (line < end) {
		const char *newline = line;
		unsigned int cpu;

		while (newline < end && *newline != '\n')
			newline++;
		if (whole_line(line, (size_t)(newline - line), &cpu) && cpu < MAX_CPUS)
			heard[cpu]++;
		else if (!read_lost(line))
			test_fail(__FILE__, __LINE__, "a torn line: %.60s", line);
		line = newline + 1;
	}
}

TEST(console, lines_are_never_torn)
{
	unsigned int shown = 0;

	capture_start();
	for_each_cpu(cpu, &cpu_online_mask) {
		if (cpu != this_cpu->index && shown++ < 16)
			work_start(cpu, say_lines, NULL);
	}
	say_lines(NULL);
	for_each_cpu(cpu, &cpu_online_mask)
		work_wait(cpu);
	capture_end();
	read_capture();
	shown = 0;
	for_each_cpu(cpu, &cpu_online_mask) {
		if (cpu == this_cpu->index || shown++ < 16)
			EXPECT_EQ(heard[cpu], LINES);
	}
}

#define NMIS       100 /* fewer than printk's queue has room for */
#define TOO_MANY   200 /* more */
#define MAX_ROUNDS 200

static volatile unsigned int nmis;
static unsigned int nmi_lines;
static atomic_bool strike, wrote_in_nmi;

static bool speak_in_nmi(struct pt_regs *regs)
{
	(void)regs;
	for (unsigned int i = 0; i < nmi_lines; i++)
		say_line(i);
	nmis++;
	return true;
}

/* Looks who writes to the devices; an NMI may strike right there. */
static void watch_writing(const char *text, size_t length)
{
	(void)text;
	(void)length;
	if (in_nmi())
		atomic_store(&wrote_in_nmi, true);
	if (!atomic_exchange(&strike, false))
		return;
	arch_send_nmi_self();
	WAIT_UNTIL(nmis == 1);
}

static struct console_device watcher = { .name = "serial", .write = watch_writing };

/* Each NMI says so many lines. */
static trap_hook *begin_nmis(unsigned int lines)
{
	static bool added;

	if (!added)
		console_add(&watcher);
	added = true;
	nmis = 0;
	nmi_lines = lines;
	capture_start();
	atomic_store(&wrote_in_nmi, false);
	return trap_set_hook(TRAP_NMI, speak_in_nmi);
}

static void end_nmis(trap_hook *before)
{
	capture_end();
	trap_set_hook(TRAP_NMI, before);
	read_capture();
	EXPECT(!atomic_load(&wrote_in_nmi));
}

/* It finds the devices free, and leaves its lines to whoever speaks next. */
TEST(console, nmi_may_speak)
{
	trap_hook *before = begin_nmis(LINES);

	for (unsigned int i = 0; i < 2; i++) {
		arch_send_nmi_self();
		EXPECT(WAIT_UNTIL(nmis == i + 1));
		say_lines(NULL);
	}
	end_nmis(before);
	EXPECT_EQ(heard[this_cpu->index], 4 * LINES);
}

/* It strikes who writes, until there is no room: the rest is lost, at once, and that is said. */
TEST(console, nmi_may_find_the_queue_full)
{
	trap_hook *before = begin_nmis(TOO_MANY);

	atomic_store(&strike, true);
	say_lines(NULL);
	end_nmis(before);
	EXPECT_EQ(nmis, 1);
	EXPECT(lost > 0);
	EXPECT_EQ(heard[this_cpu->index] + lost, TOO_MANY + LINES);
}

static void send_nmis(void *info)
{
	unsigned int cpu = *(unsigned int *)info;

	for (unsigned int i = 1; i <= NMIS; i++) {
		arch_send_nmi(cpu);
		if (!WAIT_UNTIL(nmis == i))
			return;
	}
}

/* They strike this CPU wherever it is in printk. */
TEST(console, nmis_from_another_cpu_may_speak)
{
	unsigned int me = this_cpu->index, cpu = other_cpu(1), rounds = 0;
	trap_hook *before;

	if (lacks_cpus(2))
		return;
	before = begin_nmis(1);
	EXPECT_EQ(work_start(cpu, send_nmis, &me), 0);
	while (work_busy(cpu) && rounds < MAX_ROUNDS) {
		say_lines(NULL);
		rounds++;
	}
	work_wait(cpu);
	end_nmis(before);
	EXPECT_EQ(nmis, NMIS);
	EXPECT_EQ(lost, 0);
	EXPECT_EQ(heard[me], rounds * LINES + NMIS);
}

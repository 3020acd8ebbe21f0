/*
 * printk from everywhere at once: every line whole, none lost, none twice.
 */
#include "capture.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/console/printk.h>
#include <kernel/smp/cpu.h>
#include <kernel/sched/work.h>
#include <lib/string.h>

#define LINES 4
#define MARK  "# >"

static void say_lines(void *info)
{
	(void)info;
	for (unsigned int i = 0; i < LINES; i++)
		printk(MARK "%u line %u of this CPU, long enough to be torn<\n", this_cpu->index,
		       i);
}

/* The number after the mark, if the line is whole. */
static bool whole_line(const char *line, size_t length, unsigned int *cpu)
{
	*cpu = 0;
	if (length < 10 || strncmp(line, MARK, strlen(MARK)) || line[length - 1] != '<')
		return false;
	for (line += strlen(MARK); *line >= '0' && *line <= '9'; line++)
		*cpu = *cpu * 10 + (unsigned int)(*line - '0');
	return !strncmp(line, " line ", 6);
}

static unsigned int heard[MAX_CPUS];

static void read_capture(void)
{
	size_t length;
	const char *line = capture_text(&length), *end = line + length;

	memset(heard, 0, sizeof(heard));
	while (line < end) {
		const char *newline = line;
		unsigned int cpu;

		while (newline < end && *newline != '\n')
			newline++;
		if (whole_line(line, (size_t)(newline - line), &cpu) && cpu < MAX_CPUS)
			heard[cpu]++;
		else
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

static volatile unsigned int nmis;

static bool speak_in_nmi(struct pt_regs *regs)
{
	(void)regs;
	say_lines(NULL);
	nmis++;
	return true;
}

/* An NMI that strikes a CPU in the middle of printk must neither hang nor tear. */
TEST(console, nmi_may_speak)
{
	trap_hook *before = trap_set_hook(TRAP_NMI, speak_in_nmi);

	nmis = 0;
	capture_start();
	for (unsigned int i = 0; i < 2; i++) {
		arch_send_nmi_self();
		say_lines(NULL);
		EXPECT(WAIT_UNTIL(nmis == i + 1));
	}
	capture_end();
	trap_set_hook(TRAP_NMI, before);
	read_capture();
	EXPECT_EQ(heard[this_cpu->index], 4 * LINES);
}

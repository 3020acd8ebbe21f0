/*
 * The prompt: reads a line, finds the command, runs it. Without any input device
 * it says so and halts.
 */
#include <arch/cpu.h>
#include <arch/machine.h>
#include <kernel/bootword.h>
#include <kernel/console/console.h>
#include <kernel/console/printk.h>
#include <kernel/monitor/monitor.h>
#include <kernel/run.h>
#include <kernel/time/sleep.h>
#include <lib/string.h>

#define LINE_MAX 128
#define POLL_NS  10000000ull
#define CTRL_C   3
#define CTRL_U   21
#define DELETE   127

extern const struct command *const commands_start[], *const commands_end[];

static int wait_for_key(void)
{
	int c;

	while ((c = console_getc()) < 0)
		sleep_ns(POLL_NS);
	return c;
}

/* Takes back the last character, all the bytes of it. Returns the new length. */
static size_t rub_out(char *line, size_t length)
{
	if (!length)
		return 0;
	while (length > 1 && (line[length - 1] & 0xc0) == 0x80)
		length--;
	printk("\b \b");
	return length - 1;
}

/* Returns the length, or -1 if the line was given up. */
static long read_line(char *line)
{
	size_t length = 0;

	for (;;) {
		int c = wait_for_key();

		if (c == '\r' || c == '\n')
			break;
		if (c == CTRL_C)
			return -1;
		if (c == '\b' || c == DELETE) {
			length = rub_out(line, length);
		} else if (c == CTRL_U) {
			while (length)
				length = rub_out(line, length);
		} else if (c >= ' ' && length < LINE_MAX - 1) {
			line[length++] = (char)c;
			printk_raw(&line[length - 1], 1);
		}
	}
	line[length] = '\0';
	return (long)length;
}

static const struct command *find(const char *name, size_t length)
{
	for (const struct command *const *command = commands_start; command < commands_end;
	     command++) {
		if (strlen((*command)->name) == length && !strncmp((*command)->name, name, length))
			return *command;
	}
	return NULL;
}

static void execute(const char *line)
{
	const struct command *command;
	size_t length = 0;

	while (*line == ' ')
		line++;
	while (line[length] && line[length] != ' ')
		length++;
	if (!length)
		return;
	command = find(line, length);
	line += length;
	while (*line == ' ')
		line++;
	if (command)
		command->run(line);
	else
		printk("not known; `help` lists the commands\n");
}

static enum verdict run_monitor(void)
{
	char line[LINE_MAX];

	if (!console_has_input()) {
		printk("No serial line and no keyboard: nothing to ask with, so the machine halts.\n");
		return VERDICT_PASS;
	}
	for (;;) {
		printk("nudge> ");
		if (read_line(line) >= 0) {
			printk("\n");
			execute(line);
		} else {
			printk("^C\n");
		}
	}
}
RUN_MODE(monitor, run_monitor);

static void help(const char *arguments)
{
	(void)arguments;
	for (const struct command *const *command = commands_start; command < commands_end;
	     command++)
		printk("  %-10s %s\n", (*command)->name, (*command)->help);
}
COMMAND(help, "this list", help);

static void print_word(const struct boot_word *word)
{
	printk("  %-10s %s\n", word->name, word->help);
}

static void words(const char *arguments)
{
	(void)arguments;
	boot_words_visit(print_word);
}
COMMAND(words, "the words for the kernel's command line", words);

static void reboot(const char *arguments)
{
	(void)arguments;
	printk_flush();
	arch_reset();
}
COMMAND(reboot, "start the machine anew", reboot);

static void quit(const char *arguments)
{
	(void)arguments;
	run_quit();
}
COMMAND(quit, "switch the machine off, or halt it", quit);

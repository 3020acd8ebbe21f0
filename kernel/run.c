/*
 * Chooses the run and ends it.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/machine.h>
#include <kernel/bootword.h>
#include <kernel/console/printk.h>
#include <kernel/run.h>
#include <kernel/smp/watch.h>
#include <lib/string.h>

#define EXIT_PASS  0x10
#define EXIT_FAIL  0x11
#define EXIT_PANIC 0x12

extern const struct run_mode *const run_modes_start[], *const run_modes_end[];

static const char *const run_words[] = { "report", "test", "torture", "bench", "monitor", NULL };
static unsigned int wanted_run;
BOOT_WORD_CHOICE(run, run_words, wanted_run, "report, test, torture, bench or monitor");

enum then { THEN_MONITOR, THEN_EXIT, THEN_HALT, THEN_REBOOT };
static const char *const then_words[] = { "monitor", "exit", "halt", "reboot", NULL };
static unsigned int wanted_then = THEN_MONITOR;
BOOT_WORD_CHOICE(then, then_words, wanted_then, "after the run: monitor, exit, halt or reboot");

static const char *const verdict_names[] = {
	[VERDICT_PASS] = "pass",
	[VERDICT_FAIL] = "fail",
	[VERDICT_PANIC] = "panic",
};

static const uint8_t exit_codes[] = {
	[VERDICT_PASS] = EXIT_PASS,
	[VERDICT_FAIL] = EXIT_FAIL,
	[VERDICT_PANIC] = EXIT_PANIC,
};

static const struct run_mode *find(const char *name)
{
	for (const struct run_mode *const *mode = run_modes_start; mode < run_modes_end; mode++) {
		if (!strcmp((*mode)->name, name))
			return *mode;
	}
	return NULL;
}

static enum verdict run(const char *name)
{
	const struct run_mode *mode = find(name);

	if (mode && !mode->timed)
		watch_start();
	if (mode)
		return mode->run();
	printk("# run=%s: this image has no such mode\n", name);
	return VERDICT_FAIL;
}

static bool is_test_run(void)
{
	return strcmp(run_words[wanted_run], "report") && strcmp(run_words[wanted_run], "monitor");
}

/* Whoever says quit has seen everything; an emulator's window should close. */
void run_quit(void)
{
	printk_flush();
	arch_power_off();
	printk("The machine can be switched off now.\n");
	irq_disable();
	cpu_park();
}

void run_selected(void)
{
	enum verdict verdict = run(run_words[wanted_run]);

	if (boot_words_bad() && is_test_run()) {
		printk("# %u boot words were wrong (named above): the run counts as failed\n",
		       boot_words_bad());
		if (verdict == VERDICT_PASS)
			verdict = VERDICT_FAIL;
	}
	if (wanted_then == THEN_MONITOR) {
		printk("# verdict %s\n", verdict_names[verdict]);
		run("monitor");
	}
	finish_run(verdict);
}

void finish_run(enum verdict verdict)
{
	irq_disable();
	if (verdict == VERDICT_PANIC || wanted_then != THEN_MONITOR)
		printk("# verdict %s\n", verdict_names[verdict]);
	printk_flush();
	leave_run(verdict);
}

void leave_run(enum verdict verdict)
{
	if (wanted_then == THEN_EXIT) {
		arch_debug_exit(exit_codes[verdict]);
		arch_power_off();
	}
	if (wanted_then == THEN_REBOOT)
		arch_reset();
	cpu_park();
}

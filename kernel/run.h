/*
 * What a boot is for: the boot word run= chooses a mode, then= what comes after.
 */
#ifndef KERNEL_RUN_H
#define KERNEL_RUN_H

#include <stdbool.h>

enum verdict { VERDICT_PASS, VERDICT_FAIL, VERDICT_PANIC };

/* A mode; registered by the file that has it. Thread context on the boot CPU. */
struct run_mode {
	const char *name;
	enum verdict (*run)(void);
	bool timed; /* no CPU may tick, nor touch its timer */
};

#define RUN_MODE(mode_name, function)       RUN_MODE_DEFINE(mode_name, function, false)
#define RUN_MODE_TIMED(mode_name, function) RUN_MODE_DEFINE(mode_name, function, true)

#define RUN_MODE_DEFINE(mode_name, function, is_timed) \
	static const struct run_mode run_mode_##mode_name = { #mode_name, function, is_timed }; \
	static const struct run_mode *const run_mode_pointer_##mode_name \
		__attribute__((used, section(".run_modes"))) = &run_mode_##mode_name

/* Runs what run= says, and then does what then= says. */
void run_selected(void) __attribute__((noreturn));

/* Prints the verdict and leaves the machine as then= says. Any context. */
void finish_run(enum verdict verdict) __attribute__((noreturn));

/* The same, without a word. */
void leave_run(enum verdict verdict) __attribute__((noreturn));

/* Switches the machine off, or halts where that cannot be done. Thread context. */
void run_quit(void) __attribute__((noreturn));

#endif

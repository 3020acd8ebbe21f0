/*
 * Text for people and for the test harness, from any CPU and any context, NMI
 * included. One call is one piece that no other CPU's text tears; it should end
 * in a newline.
 *
 * A CPU that finds the devices in use leaves its text to the CPU that uses them,
 * and goes on. Only a full buffer makes callers wait, bounded; NMI never waits.
 */
#ifndef KERNEL_CONSOLE_PRINTK_H
#define KERNEL_CONSOLE_PRINTK_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* What one call can say; more is cut off. */
#define PRINTK_MAX 1000

void printk(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A whole line: prefix, the formatted text, newline. */
void printk_line(const char *prefix, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/* Text as it is. */
void printk_raw(const char *text, size_t length);

/* The first time that this line of code is reached, on whichever CPU. */
#define printk_once(...) \
	do { \
		static atomic_flag said = ATOMIC_FLAG_INIT; \
		if (!atomic_flag_test_and_set_explicit(&said, memory_order_relaxed)) \
			printk(__VA_ARGS__); \
	} while (0)

/*
 * Waits, bounded, until all that was said before is on the devices, whoever is showing
 * it. Any context but NMI; in an interrupt that struck whoever shows it, in vain.
 */
void printk_flush(void);

/*
 * For a panic, once the other CPUs are stopped: whoever had the devices does not
 * have them any more, and unfinished pieces are skipped.
 */
void printk_seize(void);

#endif

/*
 * When going on would make it worse. Any context, any CPU.
 */
#ifndef KERNEL_PANIC_H
#define KERNEL_PANIC_H

#include <stdbool.h>

struct pt_regs;

/* Says why, where, and what the others were doing, and ends the run. */
void panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* The same at the place of an exception. */
void panic_regs(const struct pt_regs *regs, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* A line and a backtrace, and on we go. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, once for each place; caller is an address in that place. */
void warn_once_at(const void *caller, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define BUG_ON(condition) \
	do { \
		if (__builtin_expect(!!(condition), 0)) \
			panic("BUG: %s (%s:%d)", #condition, __FILE__, __LINE__); \
	} while (0)

#endif

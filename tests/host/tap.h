/*
 * What a unit test on the host needs to print TAP 13: checks with a name, skips with a reason, and
 * the plan at the end. Each such test is one program in one translation unit: it includes the
 * sources that it tests.
 */
#ifndef TESTS_HOST_TAP_H
#define TESTS_HOST_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static unsigned int tap_checks, tap_failures;

static void tap_line(const char *verdict, const char *format, va_list arguments)
{
	if (!tap_checks++)
		puts("TAP version 13");
	printf("%s %u - ", verdict, tap_checks);
	vprintf(format, arguments);
}

/* One check; the format names it. Returns ok, so that a failure may be followed by details. */
__attribute__((format(printf, 2, 3), unused)) static bool tap_ok(bool ok, const char *format, ...)
{
	va_list arguments;

	tap_failures += !ok;
	va_start(arguments, format);
	tap_line(ok ? "ok" : "not ok", format, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
	return ok;
}

/* One check that cannot be made here. */
__attribute__((format(printf, 2, 3), unused)) static void tap_skip(const char *reason,
								   const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	tap_line("ok", format, arguments);
	va_end(arguments);
	printf(" # SKIP %s\n", reason);
}

/* Prints the plan; returns the program's exit status. */
__attribute__((unused)) static int tap_done(void)
{
	printf("1..%u\n", tap_checks);
	return tap_failures || !tap_checks;
}

#endif

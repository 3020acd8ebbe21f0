/*
 * One case of a MADT test: parse what <madt_build.h> built, collect what was reported. Tables are
 * handed over in heap blocks of exactly their size, so that under AddressSanitizer a read past the
 * end is a failure of the test that caused it.
 */
#ifndef TESTS_HOST_MADT_CASE_H
#define TESTS_HOST_MADT_CASE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lib/acpi.c>
#include <lib/madt.c>

#include "madt_build.h"
#include "tap.h"

#define CPUS 8

/* What the parser made of the table. */
static struct madt_cpu cpus[CPUS];
static struct madt madt;
static char lines[MADT_MAX_LINES + 8][160];
static unsigned int nr_lines;

__attribute__((format(printf, 2, 3))) static void collect(void *ctx, const char *fmt, ...)
{
	va_list args;

	(void)ctx;
	va_start(args, fmt);
	if (nr_lines < sizeof(lines) / sizeof(lines[0]))
		vsnprintf(lines[nr_lines], sizeof(lines[0]), fmt, args);
	nr_lines++;
	va_end(args);
}

static const struct acpi_env env = { .report = collect };

static unsigned int said(const char *text)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr_lines && i < sizeof(lines) / sizeof(lines[0]); i++)
		n += !!strstr(lines[i], text);
	return n;
}

/* Exactly one line was said, and it was this. */
static bool only(const char *text)
{
	return nr_lines == 1 && said(text) == 1 && !strchr(lines[0], '\n');
}

static bool silent(void)
{
	return nr_lines == 0 && madt.nr_findings == 0;
}

static int parse_some(size_t avail)
{
	uint8_t *copy = malloc(avail + !avail);
	int error;

	memcpy(copy, table, avail);
	memset(cpus, 0xa5, sizeof(cpus));
	nr_lines = 0;
	madt = (struct madt){ .cpus = cpus, .cpu_capacity = CPUS };
	error = madt_parse(copy, avail, &madt, &env);
	free(copy);
	return error;
}

static int parse(void)
{
	seal();
	return parse_some(size);
}

#endif

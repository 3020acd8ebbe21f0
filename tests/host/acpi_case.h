/*
 * A small physical memory for the ACPI tests, and a collector of what was reported. What is mapped
 * is a heap copy of exactly the bytes asked for, so that under AddressSanitizer a read past the end
 * is a failure of the test that caused it.
 */
#ifndef TESTS_HOST_ACPI_CASE_H
#define TESTS_HOST_ACPI_CASE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lib/acpi.c>

#include "tap.h"

#define MEM_BASE 0x100000u

static uint8_t memory[65536];
static void *copies[4096];
static unsigned int nr_copies;
static char lines[16][160];
static unsigned int nr_lines;

static const void *map(void *ctx, uint64_t phys, size_t len)
{
	void *copy;

	(void)ctx;
	if (phys < MEM_BASE || len > sizeof(memory) || phys - MEM_BASE > sizeof(memory) - len)
		return NULL;
	copy = malloc(len);
	memcpy(copy, memory + (phys - MEM_BASE), len);
	if (nr_copies < sizeof(copies) / sizeof(copies[0]))
		copies[nr_copies++] = copy;
	return copy;
}

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

static const struct acpi_env env = { .map = map, .report = collect };

/* A new case: empty memory, nothing reported. */
static void fresh(void)
{
	while (nr_copies)
		free(copies[--nr_copies]);
	memset(memory, 0, sizeof(memory));
	nr_lines = 0;
}

/* Exactly one line was reported, and it has this text. */
static bool only(const char *text)
{
	return nr_lines == 1 && strstr(lines[0], text) && !strchr(lines[0], '\n');
}

static uint8_t sum_of(const void *p, size_t len)
{
	const uint8_t *byte = p;
	uint8_t sum = 0;

	while (len--)
		sum += *byte++;
	return sum;
}

/* Gives a table its signature, length and checksum. */
static void seal(void *table, const char *signature, size_t len)
{
	struct acpi_header *header = table;

	memcpy(header->signature, signature, sizeof(header->signature));
	header->length = len;
	header->checksum = 0;
	header->checksum = -sum_of(table, len);
}

#endif

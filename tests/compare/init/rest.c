/*
 * Waits until Linux has come to rest: after its boot it goes on in kernel threads (tests of its
 * ciphers, above all), whose instructions would be counted into the figures.
 */
#include "init.h"
#include <errno.h>
#include <stdio.h>
#include <time.h>

#define WINDOW_MS    500
#define MOST_WINDOWS 240 /* two minutes */
#define QUIET_UNITS  2   /* of 10 ms, all CPUs together, in one window */

/* Time that all CPUs together were busy since the boot, in hundredths of a second. */
static unsigned long long busy_units(void)
{
	unsigned long long user, nice, system, idle, io_wait, irq, softirq;
	FILE *file = fopen("/proc/stat", "r");

	if (!file || fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system,
			    &idle, &io_wait, &irq, &softirq) != 7)
		die("/proc/stat");
	fclose(file);
	return user + nice + system + irq + softirq;
}

static bool is_quiet(void)
{
	struct timespec window = { WINDOW_MS / 1000, WINDOW_MS % 1000 * 1000000l };
	unsigned long long before = busy_units();

	if (nanosleep(&window, NULL))
		die("nanosleep");
	return busy_units() - before <= QUIET_UNITS;
}

void wait_for_rest(void)
{
	for (int i = 0; i < MOST_WINDOWS; i++) {
		if (is_quiet())
			return;
	}
	errno = ETIME;
	die("other threads of Linux are still busy two minutes after the boot");
}

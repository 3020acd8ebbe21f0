/*
 * Complaints that do not end the run.
 */
#include <arch/trap.h>
#include <kernel/console/printk.h>
#include <kernel/panic.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define PLACES 256

static _Atomic(const void *) places[PLACES];

static void __attribute__((format(printf, 1, 0))) complain(const char *format, va_list args)
{
	printk_line("WARNING: ", format, args);
	backtrace_print(NULL);
}

void warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	va_end(args);
}

/* Whether place is new; it is remembered. When all slots are taken nothing is new. */
static bool first_time(const void *place)
{
	uint32_t start = (uint32_t)((uintptr_t)place % PLACES);

	for (uint32_t i = 0; i < PLACES; i++) {
		const void *empty = NULL;

		if (atomic_compare_exchange_strong_explicit(&places[(start + i) % PLACES], &empty,
							    place, memory_order_relaxed,
							    memory_order_relaxed))
			return true;
		if (empty == place)
			return false;
	}
	return false;
}

void warn_once_at(const void *caller, const char *format, ...)
{
	va_list args;

	if (!first_time(caller))
		return;
	va_start(args, format);
	complain(format, args);
	va_end(args);
}

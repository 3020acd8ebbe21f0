/*
 * A console device beside the real ones.
 */
#include "capture.h"
#include <kernel/console/console.h>
#include <kernel/console/printk.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/stall.h>
#include <lib/string.h>
#include <stdatomic.h>

#define CAPTURE      131072
#define PATIENT_NS   1000000000ull
#define PATIENT_CPUS 64

static char kept[CAPTURE + 1];
static _Atomic size_t kept_length;
static atomic_bool capturing;
static _Atomic(const char *) awaited;
static atomic_uint complaints;
static _Atomic(const char *) expected;
atomic_bool capture_heard;

void capture_listen_for(const char *needle)
{
	atomic_store(&capture_heard, false);
	atomic_store(&awaited, needle);
}

static bool begins_with(const char *text, size_t length, const char *opening)
{
	return length >= strlen(opening) && !strncmp(text, opening, strlen(opening));
}

/* Whether the first line says that something lasted "1.5 s" or more, and not so many ms. */
static bool lasted_seconds(const char *text, size_t length)
{
	for (size_t i = 1; i + 2 < length && text[i + 1] != '\n'; i++) {
		bool digit = text[i - 1] >= '0' && text[i - 1] <= '9';

		if (digit && text[i] == ' ' && text[i + 1] == 's')
			return true;
	}
	return false;
}

/*
 * That a CPU is late is no matter of right or wrong where somebody asked for a short deadline, or
 * where there are so many CPUs that an emulator may let one wait.
 */
static bool tells_of_lateness(const char *text, size_t length)
{
	if (nr_cpus > PATIENT_CPUS || stall_deadline_ns() < PATIENT_NS)
		return false;
	return (begins_with(text, length, "STALL: ") || begins_with(text, length, "watchdog: ")) &&
	       lasted_seconds(text, length);
}

static bool complains(const char *text, size_t length)
{
	const char *known = atomic_load_explicit(&expected, memory_order_relaxed);

	if (known && begins_with(text, length, known))
		return false;
	return begins_with(text, length, "WARNING: ") || tells_of_lateness(text, length);
}

/* Called by one CPU at a time. Release: pairs with the acquire in capture_find. */
static void keep(const char *text, size_t length)
{
	size_t used = atomic_load_explicit(&kept_length, memory_order_relaxed);
	size_t room = CAPTURE - used;

	if (!atomic_load_explicit(&capturing, memory_order_relaxed)) {
		atomic_fetch_add_explicit(&complaints, complains(text, length),
					  memory_order_relaxed);
		return;
	}
	length = length < room ? length : room;
	memcpy(kept + used, text, length);
	atomic_store_explicit(&kept_length, used + length, memory_order_release);
	if (atomic_load(&awaited) && capture_find(NULL, atomic_load(&awaited)))
		atomic_store(&capture_heard, true);
}

static struct console_device listener = { .name = "serial", .write = keep };

/* All that was said before has been heard. */
static void listen(void)
{
	static bool added;

	if (!added)
		console_add(&listener);
	added = true;
	printk_flush();
}

unsigned int capture_complaints(void)
{
	listen();
	return atomic_load_explicit(&complaints, memory_order_relaxed);
}

void capture_expect(const char *opening)
{
	atomic_store_explicit(&expected, opening, memory_order_relaxed);
}

void capture_start(void)
{
	listen();
	memset(kept, 0, sizeof(kept));
	atomic_store_explicit(&kept_length, 0, memory_order_relaxed);
	atomic_store_explicit(&capturing, true, memory_order_relaxed);
}

void capture_end(void)
{
	printk_flush();
	atomic_store_explicit(&capturing, false, memory_order_relaxed);
	atomic_store(&awaited, NULL);
}

const char *capture_text(size_t *length)
{
	*length = atomic_load_explicit(&kept_length, memory_order_acquire);
	return kept;
}

const char *capture_find(const char *start, const char *needle)
{
	size_t length = atomic_load_explicit(&kept_length, memory_order_acquire);
	size_t wanted = strlen(needle);

	for (const char *at = start ? start : kept; at + wanted <= kept + length; at++) {
		if (!strncmp(at, needle, wanted))
			return at;
	}
	return NULL;
}

bool capture_has_all(const char *const *needles)
{
	const char *at = NULL;

	for (; *needles; needles++) {
		at = capture_find(at, *needles);
		if (!at)
			return false;
	}
	return true;
}

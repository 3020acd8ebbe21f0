/*
 * The devices, and what was said before a device was there: it is repeated to it,
 * so that every console shows the same text.
 */
#include <kernel/bootword.h>
#include <kernel/console/console.h>
#include <lib/string.h>

#define HISTORY 16384

static struct console_device *devices;
static struct console_device *volatile writing; /* the device that is at it */
static char history[HISTORY];
static size_t history_used;

static char wanted[32] = "serial,fb";

/* Whether item, up to the next comma or the end, is name. */
static bool is_item(const char *item, const char *name)
{
	size_t length = strlen(name);

	return !strncmp(item, name, length) && (!item[length] || item[length] == ',');
}

static const char *next_item(const char *item)
{
	const char *comma = strchr(item, ',');

	return comma ? comma + 1 : NULL;
}

/* Whether name stands in the comma-separated list. */
static bool listed(const char *name)
{
	for (const char *item = wanted; item; item = next_item(item)) {
		if (is_item(item, name))
			return true;
	}
	return false;
}

/* A name that is no console's would silence all of them. */
static bool parse_consoles(const struct boot_word *word, const char *value)
{
	for (const char *item = value; item; item = next_item(item)) {
		if (!is_item(item, "serial") && !is_item(item, "fb"))
			return false;
	}
	return boot_word_text(word, value);
}
BOOT_WORD_DEFINE(console, .help = "where text goes: serial,fb or one of them",
		 .parse = parse_consoles, .target = wanted, .max = sizeof(wanted));

static bool shows(const struct console_device *device)
{
	return device->write && listed(device->name);
}

void console_add(struct console_device *device)
{
	if (shows(device))
		device->write(history, history_used);
	device->next = devices;
	devices = device;
}

void console_emit(const char *text, size_t length)
{
	size_t kept = length < HISTORY - history_used ? length : HISTORY - history_used;

	memcpy(history + history_used, text, kept);
	history_used += kept;
	for (struct console_device *device = devices; device; device = device->next) {
		if (!shows(device))
			continue;
		writing = device;
		device->write(text, length);
		writing = NULL;
	}
}

bool console_drop_broken(void)
{
	if (!writing)
		return false;
	writing->write = NULL;
	writing = NULL;
	return true;
}

int console_getc(void)
{
	for (struct console_device *device = devices; device; device = device->next) {
		int c = device->getc ? device->getc() : -1;

		if (c >= 0)
			return c;
	}
	return -1;
}

bool console_has_input(void)
{
	for (struct console_device *device = devices; device; device = device->next) {
		if (device->getc)
			return true;
	}
	return false;
}

bool console_has_output(void)
{
	for (struct console_device *device = devices; device; device = device->next) {
		if (shows(device))
			return true;
	}
	return false;
}

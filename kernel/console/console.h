/*
 * What text goes to and comes from. Devices are handed in by who drives them.
 */
#ifndef KERNEL_CONSOLE_CONSOLE_H
#define KERNEL_CONSOLE_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

struct console_device {
	const char *name;                               /* as in the boot word console= */
	void (*write)(const char *text, size_t length); /* NULL: input only */
	int (*getc)(void);                              /* -1: nothing there; NULL: output only */
	struct console_device *next;
};

/* Adds a device and shows it what was said so far. Boot CPU. */
void console_add(struct console_device *device);

/* A character from any device, or -1. Thread context, one CPU. */
int console_getc(void);
bool console_has_input(void);

/* Whether anything can be seen anywhere. */
bool console_has_output(void);

/*
 * Used by printk alone: hand text to all devices. The caller serialises.
 */
void console_emit(const char *text, size_t length);

/*
 * The device in whose write a panic panicked gets no more text. Returns whether there
 * was one. The other CPUs are stopped.
 */
bool console_drop_broken(void);

#endif

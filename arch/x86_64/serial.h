/*
 * COM1, an NS16550 or compatible, polled: 115200 8N1, no interrupts.
 */
#ifndef X86_SERIAL_H
#define X86_SERIAL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Looks for the port and sets it up. False if there is none; the other functions then do nothing.
 * Takes under 0.1 s, nearly always a millisecond. Boot CPU, once, before the other functions.
 */
bool serial_probe(void);

/*
 * Writes text, "\n" as "\r\n". Waits while the transmitter is busy, but for a second or so at the
 * most: then the port counts as dead, and text is dropped until the transmitter is seen ready
 * again. Any context, NMI and panic included; the caller serialises.
 */
void serial_write(const char *text, size_t len);

/* The next byte received, as it came over the line, or -1 if there is none. As serial_write. */
int serial_getc(void);

#endif

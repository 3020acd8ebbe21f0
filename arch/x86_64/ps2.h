/*
 * A PS/2 keyboard behind an i8042, polled, US layout: enough to use the prompt on a PC that has no
 * serial port. A USB keyboard works too where the firmware emulates a PS/2 one.
 */
#ifndef X86_PS2_H
#define X86_PS2_H

#include <stdbool.h>

/*
 * Looks for a controller with a keyboard and sets them up; their interrupts stay off. False if
 * either is missing; ps2_getc then does nothing. Takes under a second, nearly always far less; the
 * longest wait is for a keyboard that is not there. Boot CPU, once.
 */
bool ps2_probe(void);

/*
 * The next character typed, or -1 if there is none: ASCII, '\n' for Enter, '\b' for Backspace, 27
 * for Escape, 1 to 26 for Ctrl and a letter. Other keys give nothing. One caller at a time; any
 * context.
 */
int ps2_getc(void);

#endif

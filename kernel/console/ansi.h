/*
 * The escape sequences of terminals, taken out of a stream of code points: what is left is text,
 * controls, and whole sequences with their parameters. Also keeps what SGR sequences set, because
 * a colour outlives the sequence that chose it.
 */
#ifndef KERNEL_CONSOLE_ANSI_H
#define KERNEL_CONSOLE_ANSI_H

#include <stdbool.h>
#include <stdint.h>

#define ANSI_PARAMETERS 16u /* of one sequence, kept; a power of two */
#define ANSI_DEFAULT_FG 7u
#define ANSI_DEFAULT_BG 0u

enum ansi_event {
	ANSI_NOTHING,  /* the code point was part of a sequence, or is swallowed */
	ANSI_TEXT,     /* a character to show */
	ANSI_CONTROL,  /* a C0 control, such as '\n' */
	ANSI_SEQUENCE, /* a CSI sequence ended with this code point; SGR is already applied */
};

/* To begin with: all zero, then ansi_reset_style. */
struct ansi {
	uint32_t state;
	bool understood;     /* nothing but digits and semicolons so far */
	uint32_t parameters; /* kept; what was left out is 0 */
	uint32_t parameter[ANSI_PARAMETERS];

	uint32_t fg, bg; /* palette index, or ANSI_RGB | 0xrrggbb */
	bool bold, inverse;
};

/*
 * Takes the next code point and says what it is. A control inside a sequence ends the sequence, so
 * that one which was cut short swallows at most the rest of its line. Any context; no fault
 * whatever the state holds.
 */
enum ansi_event ansi_feed(struct ansi *ansi, uint32_t code);

void ansi_reset_style(struct ansi *ansi);

/* The colours to show text in, 0xrrggbb, with bold and inverse applied. Any context. */
uint32_t ansi_foreground(const struct ansi *ansi);
uint32_t ansi_background(const struct ansi *ansi);

/* A sequence's parameter, or fallback where it is missing or 0. Any context. */
uint32_t ansi_parameter(const struct ansi *ansi, uint32_t index, uint32_t fallback);

#endif

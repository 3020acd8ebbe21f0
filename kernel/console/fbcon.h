/*
 * A text console on a linear framebuffer. What should be on the screen and what is on it are kept
 * as cells in ordinary memory: one write draws each cell that it changed once, however often the
 * text scrolled in between, and the framebuffer, which is slow to read, is never read.
 *
 * Nothing here locks, sleeps or allocates. The caller serialises; a panic that comes in the middle
 * of another CPU's write may write all the same, because every index is bounded where it is used.
 */
#ifndef KERNEL_CONSOLE_FBCON_H
#define KERNEL_CONSOLE_FBCON_H

#include <kernel/console/ansi.h>
#include <kernel/console/fbdraw.h>
#include <lib/psf.h>
#include <lib/utf8.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* To be read by others; only cursor may be changed, between two writes. */
struct fbcon {
	struct fbdraw draw; /* with cols, rows and scale */
	uint64_t *wanted;   /* the screen as the text left it: a ring of rows */
	uint64_t *shown;    /* the screen as it was drawn last */
	uint32_t top;       /* the row of the ring that is the screen's first */
	uint32_t row, col;  /* of the next character; col == cols: it begins the next row */

	uint32_t dirty_first, dirty_end; /* rows that the next drawing compares */
	uint64_t *cursor_at;             /* the wanted cell that shows the cursor, or NULL */
	uint64_t cursor_under;           /* what that cell is without it */
	bool cursor;                     /* whether to show one; on after fbcon_init */
	uint64_t cells_drawn;            /* since fbcon_init: what scrolling costs */

	struct utf8 utf8;
	struct ansi ansi;
};

/*
 * The bytes of memory that fbcon_init needs for this framebuffer and font; 0 if the framebuffer
 * cannot be used (see fbdraw_measure). Any context.
 */
size_t fbcon_cells_bytes(const struct fb_info *fb, const struct psf_font *font);

/*
 * Clears the screen and begins at its top left. The framebuffer must be mapped, best as
 * write-combining; font and cells_memory (8-byte aligned) must stay. Returns 0; -EINVAL if the
 * framebuffer cannot be used or cells_memory is not aligned; -ENOSPC if cells_bytes is less than
 * fbcon_cells_bytes said. Any context.
 */
int fbcon_init(struct fbcon *con, const struct fb_info *fb, const struct psf_font *font,
	       void *cells_memory, size_t cells_bytes);

/*
 * Writes UTF-8 text, which may be cut anywhere between two calls. '\n' also returns to the first
 * column. Understands \r \b \t, and of the escape sequences SGR (16 colours and 24-bit colours,
 * bold as bright, inverse), K, J and H; swallows all others. Does nothing before a good fbcon_init.
 * Any context, NMI and panic included; the caller serialises.
 */
void fbcon_write(struct fbcon *con, const char *text, size_t len);

/* Draws every cell again, after something else drew on the screen. Contexts as fbcon_write. */
void fbcon_redraw(struct fbcon *con);

#endif

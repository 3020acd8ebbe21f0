/*
 * Draws cells, which are a glyph in two colours, on a linear framebuffer of any direct-colour
 * format. It never reads the framebuffer, and writes it in rows of pixels from left to right.
 */
#ifndef KERNEL_CONSOLE_FBDRAW_H
#define KERNEL_CONSOLE_FBDRAW_H

#include <lib/psf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A direct-colour framebuffer; positions and sizes are in bits of one little-endian pixel. */
struct fb_info {
	void *base;
	uint32_t width, height; /* pixels */
	uint32_t pitch;         /* bytes from one row of pixels to the next */
	uint8_t bpp;            /* 15, 16, 24 or 32 */
	uint8_t red_pos, red_size;
	uint8_t green_pos, green_size;
	uint8_t blue_pos, blue_size;
};

struct fbdraw {
	struct fb_info fb;
	const struct psf_font *font;
	uint32_t pixel_bytes;
	uint32_t scale;                   /* framebuffer pixels per font pixel, each way */
	uint32_t cell_width, cell_height; /* framebuffer pixels */
	uint32_t cols, rows;              /* cells on the screen */
	uint8_t *line;                    /* one row of pixels, composed here and copied out */
	uint8_t *blocks; /* glyphs for the block elements, in case the font has them not */
};

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/*
 * A cell is one word, so that comparing two costs nothing: foreground in bits 63-40, background in
 * 39-16, both 0xrrggbb, and the number of the glyph from fbdraw_glyph in 15-0.
 */
static inline uint64_t fbdraw_cell(uint32_t fg, uint32_t bg, uint32_t glyph)
{
	return (uint64_t)(fg & 0xffffff) << 40 | (uint64_t)(bg & 0xffffff) << 16 | (glyph & 0xffff);
}

/*
 * Fills in what the framebuffer and the font determine, the scale so that wide screens stay
 * readable, and leaves the memory to fbdraw_init. False if the framebuffer cannot be used: no
 * address, unknown depth, masks or pitch that do not fit, too small for a cell. Any context.
 */
bool fbdraw_measure(struct fbdraw *draw, const struct fb_info *fb, const struct psf_font *font);

/* The bytes of memory that fbdraw_init needs, a multiple of 8. After fbdraw_measure; any context. */
size_t fbdraw_bytes(const struct fbdraw *draw);

/* Takes its memory and clears the screen to black. After fbdraw_measure; any context. */
void fbdraw_init(struct fbdraw *draw, void *memory);

/* The number of the glyph to show for a code point. Any context. */
uint32_t fbdraw_glyph(const struct fbdraw *draw, uint32_t code);

/* Draws cells from row and col on, which must be on the screen. The caller serialises. */
void fbdraw_cells(struct fbdraw *draw, uint32_t row, uint32_t col, const uint64_t *cells,
		  uint32_t count);

#endif

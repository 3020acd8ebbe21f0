/*
 * Console fonts in the PSF1 and PSF2 formats, read in place. The font is taken from the machine
 * that builds the kernel and FONT= may name any file, so nothing in it is trusted.
 */
#ifndef LIB_PSF_H
#define LIB_PSF_H

#include <stddef.h>
#include <stdint.h>

#define PSF_MAX_GLYPHS 0xff00u
#define PSF_MAX_WIDTH  64u
#define PSF_MAX_HEIGHT 64u
#define PSF_PAGES      24

/*
 * Keep it in static memory: the tables are 12 KB. They hold the glyph numbers for 256 code points
 * each, for more such pages than any console font of Debian or of the kbd package needs (18).
 */
struct psf_font {
	const uint8_t *glyphs;
	uint32_t count;
	uint32_t width, height; /* pixels */
	uint32_t row_bytes; /* one row of pixels, the leftmost is the topmost bit of the first byte */
	uint32_t glyph_bytes; /* one glyph: height * row_bytes */
	uint16_t fallback;    /* the glyph shown for a code point that the font has not */
	uint8_t pages_used;
	uint8_t page_of[256]; /* by the upper byte of the code point; 0: no page, n: page[n - 1] */
	uint16_t page[PSF_PAGES][256];
};

/*
 * Reads the font at data, which must stay there as long as the font is used. Returns 0, or -EINVAL
 * if it is no PSF font, is truncated, or has sizes outside the limits above. Without a Unicode
 * table, glyph n stands for code point n. Code points above U+FFFF, and those of a page after the
 * PSF_PAGES-th, are left out. Any context; the font must not be in use.
 */
int psf_open(struct psf_font *font, const void *data, size_t size);

/* The number of the code point's glyph, or -ENOENT if the font has none. Any context. */
int psf_find(const struct psf_font *font, uint32_t code);

/*
 * The code point's glyph: glyph_bytes bytes, rows from the top. Never NULL after a good psf_open:
 * what is missing is shown as '?', or as the first glyph if the font has not even that. Any
 * context.
 */
const uint8_t *psf_glyph(const struct psf_font *font, uint32_t code);

#endif

/*
 * Cells to pixels. Each row of pixels is composed in ordinary memory and then copied out whole, so
 * that one piece of code serves every depth and scale, and the framebuffer sees wide stores only.
 */
#include <kernel/console/fbdraw.h>
#include <lib/string.h>

#define MAX_SIDE         32768 /* pixels; keeps sums and products within 32 bits */
#define MAX_SCALE        8
#define COMFORTABLE_COLS 160 /* pixels are enlarged as long as these many cells remain */
#define COMFORTABLE_ROWS 30
#define STORE_BYTES      4 /* a composed pixel is stored as 32 bits whatever its size */
#define BLOCKS_FIRST     0x2580u
#define BLOCKS           22u /* halves, eighths and shades, up to U+2595 */

static bool channel_fits(const struct fb_info *fb, uint8_t pos, uint8_t size)
{
	return size && size <= 16 && pos + size <= fb->bpp;
}

static bool fb_is_usable(const struct fb_info *fb)
{
	if (!fb->base || !fb->width || fb->width > MAX_SIDE || !fb->height || fb->height > MAX_SIDE)
		return false;
	if (fb->bpp != 15 && fb->bpp != 16 && fb->bpp != 24 && fb->bpp != 32)
		return false;
	if (fb->pitch < fb->width * ((fb->bpp + 7u) / 8))
		return false;
	return channel_fits(fb, fb->red_pos, fb->red_size) &&
	       channel_fits(fb, fb->green_pos, fb->green_size) &&
	       channel_fits(fb, fb->blue_pos, fb->blue_size);
}

static uint32_t choose_scale(const struct fb_info *fb, const struct psf_font *font)
{
	uint32_t scale = min_u32(fb->width / (COMFORTABLE_COLS * font->width),
				 fb->height / (COMFORTABLE_ROWS * font->height));

	return scale ? min_u32(scale, MAX_SCALE) : 1;
}

bool fbdraw_measure(struct fbdraw *draw, const struct fb_info *fb, const struct psf_font *font)
{
	memset(draw, 0, sizeof(*draw));
	if (!fb_is_usable(fb))
		return false;
	draw->fb = *fb;
	draw->font = font;
	draw->pixel_bytes = (fb->bpp + 7u) / 8;
	draw->scale = choose_scale(fb, font);
	draw->cell_width = font->width * draw->scale;
	draw->cell_height = font->height * draw->scale;
	draw->cols = fb->width / draw->cell_width;
	draw->rows = fb->height / draw->cell_height;
	return draw->cols && draw->rows;
}

static size_t round_up_8(size_t bytes)
{
	return (bytes + 7) & ~(size_t)7;
}

static size_t line_bytes(const struct fbdraw *draw)
{
	return round_up_8((size_t)draw->cols * draw->cell_width * draw->pixel_bytes + STORE_BYTES);
}

size_t fbdraw_bytes(const struct fbdraw *draw)
{
	return line_bytes(draw) + round_up_8((size_t)BLOCKS * draw->font->glyph_bytes);
}

/*
 * Which pixels of a block element are set. Few console fonts have the eighths that progress bars
 * are made of; they are fractions of the cell, so there is nothing about them to design.
 */
static bool block_covers(uint32_t block, const struct psf_font *font, uint32_t x, uint32_t y)
{
	uint32_t width = font->width, height = font->height;

	if (block == 0x00)
		return y * 2 < height; /* upper half */
	if (block <= 0x08)
		return (height - y) * 8 <= height * block; /* lower eighths */
	if (block <= 0x0f)
		return x * 8 < width * (16 - block); /* left eighths */
	if (block == 0x10)
		return x * 2 >= width; /* right half */
	if (block == 0x11)
		return (x + 2 * y) % 4 == 0; /* light, medium and dark shade */
	if (block == 0x12)
		return (x + y) % 2 == 0;
	if (block == 0x13)
		return (x + 2 * y) % 4 != 0;
	return block == 0x14 ? y * 8 < height : (x + 1) * 8 > width * 7; /* upper, right eighth */
}

static void make_block(struct fbdraw *draw, uint32_t block)
{
	const struct psf_font *font = draw->font;
	uint8_t *bits = draw->blocks + (size_t)block * font->glyph_bytes;

	memset(bits, 0, font->glyph_bytes);
	for (uint32_t y = 0; y < font->height; y++, bits += font->row_bytes) {
		for (uint32_t x = 0; x < font->width; x++)
			bits[x / 8] |= block_covers(block, font, x, y) << (7 - x % 8);
	}
}

uint32_t fbdraw_glyph(const struct fbdraw *draw, uint32_t code)
{
	int glyph = psf_find(draw->font, code);

	if (glyph >= 0)
		return glyph;
	if (code - BLOCKS_FIRST < BLOCKS)
		return draw->font->count + (code - BLOCKS_FIRST);
	return draw->font->fallback;
}

static const uint8_t *glyph_bits(const struct fbdraw *draw, uint32_t glyph)
{
	const struct psf_font *font = draw->font;

	if (glyph < font->count)
		return font->glyphs + (size_t)glyph * font->glyph_bytes;
	return draw->blocks + (size_t)((glyph - font->count) % BLOCKS) * font->glyph_bytes;
}

static uint32_t channel(uint32_t level, uint8_t pos, uint8_t size)
{
	level &= 0xff;
	return (size < 8 ? level >> (8 - size) : level << (size - 8)) << pos;
}

static uint32_t pixel(const struct fb_info *fb, uint32_t rgb)
{
	return channel(rgb >> 16, fb->red_pos, fb->red_size) |
	       channel(rgb >> 8, fb->green_pos, fb->green_size) |
	       channel(rgb, fb->blue_pos, fb->blue_size);
}

/* The two colours of a cell as pixels, and all the four pairs of 32-bit pixels they can make. */
struct ink {
	uint32_t dot[2];
	uint64_t pair[4];
};

static void mix_ink(const struct fb_info *fb, struct ink *ink, uint64_t colours)
{
	ink->dot[0] = pixel(fb, colours);
	ink->dot[1] = pixel(fb, colours >> 24);
	for (uint32_t bits = 0; bits < 4; bits++)
		ink->pair[bits] = ink->dot[bits >> 1] | (uint64_t)ink->dot[bits & 1] << 32;
}

/* Appends one row of a glyph's pixels at to; returns where the next glyph's begin. */
static uint8_t *compose_glyph(const struct fbdraw *draw, uint8_t *to, const uint8_t *bits,
			      const struct ink *ink)
{
	for (uint32_t x = 0; x < draw->font->width; x++) {
		uint32_t dot = ink->dot[bits[x / 8] >> (7 - x % 8) & 1];
		for (uint32_t i = 0; i < draw->scale; i++, to += draw->pixel_bytes)
			__builtin_memcpy(to, &dot, STORE_BYTES);
	}
	return to;
}

/* The same for 32-bit pixels and glyphs 8 wide at their own size: three times as fast. */
static uint8_t *compose_byte(uint8_t *to, uint8_t bits, const struct ink *ink)
{
	for (int shift = 6; shift >= 0; shift -= 2, to += sizeof(ink->pair[0]))
		__builtin_memcpy(to, &ink->pair[bits >> shift & 3], sizeof(ink->pair[0]));
	return to;
}

/* Composes row y of the glyphs' pixels for these cells in draw->line. */
static void compose_line(struct fbdraw *draw, const uint64_t *cells, uint32_t count, uint32_t y)
{
	bool by_byte = draw->pixel_bytes == 4 && draw->font->width == 8 && draw->scale == 1;
	uint64_t colours = UINT64_MAX;
	uint8_t *to = draw->line;
	struct ink ink;

	for (uint32_t i = 0; i < count; i++) {
		if (colours != cells[i] >> 16) {
			colours = cells[i] >> 16;
			mix_ink(&draw->fb, &ink, colours);
		}
		const uint8_t *bits = glyph_bits(draw, cells[i] & 0xffff);
		bits += y * draw->font->row_bytes;
		to = by_byte ? compose_byte(to, *bits, &ink) : compose_glyph(draw, to, bits, &ink);
	}
}

/*
 * Copies to the framebuffer from left to right in the widest stores there are without the FPU:
 * that fills write-combining buffers, and costs least where the framebuffer is mapped uncached.
 */
static void copy_out(volatile uint8_t *to, const uint8_t *from, size_t size)
{
	uint64_t wide;

	for (; size && (uintptr_t)to % sizeof(wide); size--)
		*to++ = *from++;
	for (; size >= sizeof(wide); size -= sizeof(wide), to += sizeof(wide)) {
		__builtin_memcpy(&wide, from, sizeof(wide));
		*(volatile uint64_t *)to = wide;
		from += sizeof(wide);
	}
	while (size--)
		*to++ = *from++;
}

void fbdraw_cells(struct fbdraw *draw, uint32_t row, uint32_t col, const uint64_t *cells,
		  uint32_t count)
{
	size_t size = (size_t)count * draw->cell_width * draw->pixel_bytes;
	uint8_t *to = draw->fb.base;

	to += (size_t)row * draw->cell_height * draw->fb.pitch;
	to += (size_t)col * draw->cell_width * draw->pixel_bytes;
	for (uint32_t y = 0; y < draw->cell_height; y++, to += draw->fb.pitch) {
		if (y % draw->scale == 0)
			compose_line(draw, cells, count, y / draw->scale);
		copy_out(to, draw->line, size);
	}
}

/* The margins too, which no cell covers. */
static void clear_screen(struct fbdraw *draw)
{
	size_t left, part, chunk = line_bytes(draw);
	uint8_t *to = draw->fb.base;

	memset(draw->line, 0, chunk);
	for (uint32_t y = 0; y < draw->fb.height; y++, to += draw->fb.pitch) {
		left = (size_t)draw->fb.width * draw->pixel_bytes;
		for (; left; left -= part) {
			part = left < chunk ? left : chunk;
			copy_out(to + draw->fb.width * draw->pixel_bytes - left, draw->line, part);
		}
	}
}

void fbdraw_init(struct fbdraw *draw, void *memory)
{
	draw->line = memory;
	draw->blocks = draw->line + line_bytes(draw);
	for (uint32_t block = 0; block < BLOCKS; block++)
		make_block(draw, block);
	clear_screen(draw);
}

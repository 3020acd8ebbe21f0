/*
 * A framebuffer console in a test: the console's sources, a font in which no two glyphs look alike,
 * screens in every pixel format, and a comparison of what was drawn with the font, pixel by pixel.
 * Memory is exact and the padding at the end of each row is guarded, so that drawing outside shows.
 */
#ifndef TESTS_HOST_FB_SCREEN_H
#define TESTS_HOST_FB_SCREEN_H

#include <kernel/console/ansi.c>
#include <kernel/console/fbcon.c>
#include <kernel/console/fbdraw.c>
#include <lib/psf.c>
#include <lib/utf8.c>
#include <stdlib.h>
#include <tests/host/tap.h>

#define PSF1_GLYPHS 256
#define GUARD       0xa5
#define FG          0xaaaaaau
#define WHITE       0xffffffu

static uint8_t font_data[4 + PSF1_GLYPHS * 16];
static struct psf_font font;
static struct fbcon con;
static struct fb_info fb;
static void *cells;

static uint32_t next_random(void)
{
	static uint32_t state = 2463534242u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

/* Glyph n stands for code point n, and no two glyphs look alike; the blank is blank. */
static void make_font(void)
{
	font_data[0] = PSF1_MAGIC & 0xff;
	font_data[1] = PSF1_MAGIC >> 8;
	font_data[3] = 16;
	for (size_t i = 4; i < sizeof(font_data); i++)
		font_data[i] = (i - 4) / 16 == ' ' ? 0 : next_random();
	if (psf_open(&font, font_data, sizeof(font_data)))
		abort();
}

static const struct fb_info formats[] = {
	{ .bpp = 32, .red_pos = 16, .red_size = 8, .green_pos = 8, .green_size = 8, .blue_size = 8 },
	{ .bpp = 32, .red_size = 8, .green_pos = 8, .green_size = 8, .blue_pos = 16, .blue_size = 8 },
	{ .bpp = 32,
	  .red_pos = 22,
	  .red_size = 10,
	  .green_pos = 12,
	  .green_size = 10,
	  .blue_pos = 2,
	  .blue_size = 10 },
	{ .bpp = 24, .red_pos = 16, .red_size = 8, .green_pos = 8, .green_size = 8, .blue_size = 8 },
	{ .bpp = 16, .red_pos = 11, .red_size = 5, .green_pos = 5, .green_size = 6, .blue_size = 5 },
	{ .bpp = 15, .red_pos = 10, .red_size = 5, .green_pos = 5, .green_size = 5, .blue_size = 5 },
};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

/* A new screen with rows that are padding bytes longer than their pixels. */
static int open_screen(const struct fb_info *format, uint32_t width, uint32_t height,
		       uint32_t padding)
{
	size_t bytes;

	free(fb.base);
	free(cells);
	fb = *format;
	fb.width = width;
	fb.height = height;
	fb.pitch = width * ((fb.bpp + 7u) / 8) + padding;
	fb.base = malloc((size_t)fb.pitch * height);
	memset(fb.base, GUARD, (size_t)fb.pitch * height);
	bytes = fbcon_cells_bytes(&fb, &font);
	cells = malloc(bytes);
	return fbcon_init(&con, &fb, &font, cells, bytes);
}

static void print(const char *text)
{
	fbcon_write(&con, text, strlen(text));
}

static uint32_t read_pixel(uint32_t x, uint32_t y)
{
	const uint8_t *at = (uint8_t *)fb.base + (size_t)y * fb.pitch + x * con.draw.pixel_bytes;
	uint32_t value = 0;

	memcpy(&value, at, con.draw.pixel_bytes);
	return value;
}

/* What a level from 0 to 255 is in a field of so many bits. */
static uint32_t field(uint32_t level, uint8_t pos, uint8_t size)
{
	return (uint32_t)((double)level * (1 << size) / 256) << pos;
}

static uint32_t expected_pixel(uint32_t rgb)
{
	return field(rgb >> 16 & 0xff, fb.red_pos, fb.red_size) |
	       field(rgb >> 8 & 0xff, fb.green_pos, fb.green_size) |
	       field(rgb & 0xff, fb.blue_pos, fb.blue_size);
}

static bool cell_looks(uint32_t row, uint32_t col, const uint8_t *bits, uint32_t fg, uint32_t bg)
{
	uint32_t scale = con.draw.scale;

	for (uint32_t y = 0; y < 16 * scale; y++) {
		for (uint32_t x = 0; x < 8 * scale; x++) {
			bool set = bits[y / scale] >> (7 - x / scale) & 1;
			if (read_pixel(col * 8 * scale + x, row * 16 * scale + y) !=
			    expected_pixel(set ? fg : bg))
				return false;
		}
	}
	return true;
}

/* The text stands at row and col in these colours, and a blank follows it. */
static bool looks(uint32_t row, uint32_t col, const char *text, uint32_t fg, uint32_t bg)
{
	for (; *text; text++, col++) {
		if (!cell_looks(row, col, psf_glyph(&font, (uint8_t)*text), fg, bg)) {
			printf("# differs at row %u, column %u\n", row, col);
			return false;
		}
	}
	return true;
}

static bool guards_intact(void)
{
	uint32_t used = fb.width * con.draw.pixel_bytes;

	for (uint32_t y = 0; y < fb.height; y++) {
		for (uint32_t x = used; x < fb.pitch; x++) {
			if (((uint8_t *)fb.base)[(size_t)y * fb.pitch + x] != GUARD)
				return false;
		}
	}
	return true;
}

/*
 * What was drawn piece by piece is what drawing all of it at once gives. The noise in between also
 * proves that the framebuffer is not read: nothing of it may come through.
 */
static bool screen_is_as_redrawn(void)
{
	size_t bytes = (size_t)fb.pitch * con.draw.rows * con.draw.cell_height;
	uint8_t *before = malloc(bytes);
	bool same = true;

	memcpy(before, fb.base, bytes);
	for (uint32_t y = 0; y < con.draw.rows * con.draw.cell_height; y++)
		memset((uint8_t *)fb.base + (size_t)y * fb.pitch, (int)next_random(),
		       con.draw.cols * con.draw.cell_width * con.draw.pixel_bytes);
	fbcon_redraw(&con);
	same = !memcmp(before, fb.base, bytes);
	free(before);
	return same;
}

/* A small screen of 20 columns and 5 rows after this text. */
static void page(const char *text)
{
	open_screen(&formats[0], 20 * 8, 5 * 16, 4);
	con.cursor = false;
	print(text);
}

#endif

/*
 * Reads PSF fonts. The Unicode table, a list of code points for each glyph, is turned round into a
 * table of pages once, so that finding a glyph is two loads whatever the code point.
 */
#include <lib/psf.h>
#include <lib/errno.h>
#include <lib/string.h>
#include <lib/utf8.h>
#include <stdbool.h>

#define PSF1_MAGIC       0x0436u
#define PSF1_HEADER_SIZE 4
#define PSF1_MODE_512    0x01
#define PSF1_MODE_TABLE  0x06 /* a table, or a table with sequences: both begin the same */
#define PSF1_SEQUENCE    0xfffe
#define PSF1_END         0xffff

#define PSF2_MAGIC       0x864ab572u
#define PSF2_HEADER_SIZE 32
#define PSF2_FLAG_TABLE  0x01
#define PSF2_SEQUENCE    0xfe
#define PSF2_END         0xff

#define NO_GLYPH 0xffff

/* What both headers say, widened so that sums and products of it cannot overflow. */
struct psf_layout {
	uint64_t glyphs_at;
	uint64_t count, width, height, glyph_bytes;
	bool has_table;
};

static uint32_t get_le16(const uint8_t *from)
{
	return from[0] | (uint32_t)from[1] << 8;
}

static uint32_t get_le32(const uint8_t *from)
{
	return get_le16(from) | get_le16(from + 2) << 16;
}

/* Fills the layout in from the header at data; an unknown magic leaves all of it 0. */
static void read_header(struct psf_layout *layout, const uint8_t *data, size_t size)
{
	memset(layout, 0, sizeof(*layout));
	if (size >= PSF1_HEADER_SIZE && get_le16(data) == PSF1_MAGIC) {
		layout->glyphs_at = PSF1_HEADER_SIZE;
		layout->count = data[2] & PSF1_MODE_512 ? 512 : 256;
		layout->width = 8;
		layout->height = layout->glyph_bytes = data[3];
		layout->has_table = data[2] & PSF1_MODE_TABLE;
	} else if (size >= PSF2_HEADER_SIZE && get_le32(data) == PSF2_MAGIC) {
		layout->glyphs_at = get_le32(data + 8);
		layout->has_table = get_le32(data + 12) & PSF2_FLAG_TABLE;
		layout->count = get_le32(data + 16);
		layout->glyph_bytes = get_le32(data + 20);
		layout->height = get_le32(data + 24);
		layout->width = get_le32(data + 28);
		if (layout->glyphs_at < PSF2_HEADER_SIZE)
			layout->count = 0;
	}
}

static bool layout_is_sane(const struct psf_layout *layout, size_t size)
{
	if (!layout->count || layout->count > PSF_MAX_GLYPHS)
		return false;
	if (!layout->width || layout->width > PSF_MAX_WIDTH)
		return false;
	if (!layout->height || layout->height > PSF_MAX_HEIGHT)
		return false;
	if (layout->glyph_bytes != layout->height * ((layout->width + 7) / 8))
		return false;
	return layout->glyphs_at + layout->count * layout->glyph_bytes <= size;
}

/* The first glyph that claims a code point gets it. */
static void map_code(struct psf_font *font, uint32_t code, uint32_t glyph)
{
	uint8_t *page_of;
	uint16_t *slot;

	if (code > 0xffff)
		return;
	page_of = &font->page_of[code >> 8];
	if (!*page_of && font->pages_used == PSF_PAGES)
		return;
	if (!*page_of)
		*page_of = ++font->pages_used;
	slot = &font->page[*page_of - 1][code & 0xff];
	if (*slot == NO_GLYPH)
		*slot = glyph;
}

/* For each glyph: code points as 16-bit units, sequences that are not looked at, the end mark. */
static int read_psf1_table(struct psf_font *font, const uint8_t *at, const uint8_t *end)
{
	bool in_sequence = false;

	for (uint32_t glyph = 0; glyph < font->count; at += 2) {
		if (end - at < 2)
			return -EINVAL;
		uint32_t unit = get_le16(at);
		if (unit == PSF1_SEQUENCE || unit == PSF1_END)
			in_sequence = unit == PSF1_SEQUENCE;
		else if (!in_sequence)
			map_code(font, unit, glyph);
		if (unit == PSF1_END)
			glyph++;
	}
	return 0;
}

/* The same in UTF-8, in which the two marks can never occur. */
static int read_psf2_table(struct psf_font *font, const uint8_t *at, const uint8_t *end)
{
	struct utf8 utf8 = { 0 };
	uint32_t codes[2];
	bool in_sequence = false;

	for (uint32_t glyph = 0; glyph < font->count; at++) {
		if (at == end)
			return -EINVAL;
		if (*at == PSF2_SEQUENCE || *at == PSF2_END) {
			in_sequence = *at == PSF2_SEQUENCE;
			utf8.more = 0;
			glyph += *at == PSF2_END;
			continue;
		}
		unsigned int found = utf8_feed(&utf8, *at, codes);
		for (unsigned int i = 0; i < found && !in_sequence; i++)
			map_code(font, codes[i], glyph);
	}
	return 0;
}

static int read_table(struct psf_font *font, const uint8_t *data, size_t size, bool has_table)
{
	const uint8_t *table = font->glyphs + (size_t)font->count * font->glyph_bytes;

	if (!has_table) {
		for (uint32_t glyph = 0; glyph < font->count; glyph++)
			map_code(font, glyph, glyph);
		return 0;
	}
	if (get_le16(data) == PSF1_MAGIC)
		return read_psf1_table(font, table, data + size);
	return read_psf2_table(font, table, data + size);
}

int psf_open(struct psf_font *font, const void *data, size_t size)
{
	struct psf_layout layout;

	read_header(&layout, data, size);
	if (!layout_is_sane(&layout, size))
		return -EINVAL;

	memset(font, 0, sizeof(*font));
	memset(font->page, 0xff, sizeof(font->page));
	font->glyphs = (const uint8_t *)data + layout.glyphs_at;
	font->count = layout.count;
	font->width = layout.width;
	font->height = layout.height;
	font->row_bytes = (layout.width + 7) / 8;
	font->glyph_bytes = layout.glyph_bytes;
	if (read_table(font, data, size, layout.has_table))
		return -EINVAL;

	int question_mark = psf_find(font, '?');
	font->fallback = question_mark < 0 ? 0 : question_mark;
	return 0;
}

int psf_find(const struct psf_font *font, uint32_t code)
{
	uint8_t page = code > 0xffff ? 0 : font->page_of[code >> 8];
	uint16_t glyph = page ? font->page[page - 1][code & 0xff] : NO_GLYPH;

	return glyph == NO_GLYPH ? -ENOENT : glyph;
}

const uint8_t *psf_glyph(const struct psf_font *font, uint32_t code)
{
	int glyph = psf_find(font, code);

	return font->glyphs + (size_t)(glyph < 0 ? font->fallback : glyph) * font->glyph_bytes;
}

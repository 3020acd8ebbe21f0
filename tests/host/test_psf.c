/*
 * Fonts and UTF-8: what good fonts give, what every kind of damage must be answered with, and that
 * no input makes the parser read past its end (the buffers are exact, the sanitizers watch).
 * An argument names the console font that the kernel was built with; it must have what Nudge shows.
 */
#include <lib/psf.c>
#include <lib/utf8.c>
#include <stdlib.h>
#include <tests/host/tap.h>

#define FONT_MAX (1u << 20)

static struct psf_font font;

/* A font under construction. */
struct bytes {
	uint8_t data[FONT_MAX];
	size_t size;
};

static struct bytes made;

static void add8(unsigned int value)
{
	made.data[made.size++] = value;
}

static void add16(unsigned int value)
{
	add8(value & 0xff);
	add8(value >> 8);
}

static void add32(unsigned int value)
{
	add16(value & 0xffff);
	add16(value >> 16);
}

static void add_glyphs(unsigned int count, unsigned int glyph_bytes)
{
	for (unsigned int glyph = 0; glyph < count; glyph++) {
		for (unsigned int i = 0; i < glyph_bytes; i++)
			add8((glyph * 7 + i * 31) & 0xff);
	}
}

/* 256 glyphs of 8x16; glyph n is code point 0x400 + n, and glyph 63 is '?' too. */
static void make_psf1(void)
{
	made.size = 0;
	add16(PSF1_MAGIC);
	add8(0x02);
	add8(16);
	add_glyphs(256, 16);
	for (unsigned int glyph = 0; glyph < 256; glyph++) {
		add16(0x400 + glyph);
		if (glyph == 63)
			add16('?');
		add16(PSF1_SEQUENCE);
		add16('A' + glyph % 26); /* part of a sequence: must not be mapped */
		add16(0x301);
		add16(PSF1_END);
	}
}

static void make_psf2_header(unsigned int count, unsigned int width, unsigned int height)
{
	made.size = 0;
	add32(PSF2_MAGIC);
	add32(0);
	add32(40); /* a header longer than what is known of it */
	add32(PSF2_FLAG_TABLE);
	add32(count);
	add32(height * ((width + 7) / 8));
	add32(height);
	add32(width);
	add32(0);
	add32(0);
	add_glyphs(count, height * ((width + 7) / 8));
}

/* 3 glyphs of 12x10: A and U+2588, '?' and a sequence, U+00E9 and U+1F600. */
static void make_psf2(void)
{
	static const char table[] = "A\xe2\x96\x88\xff"
				    "?\xfe"
				    "e\xcc\x81\xff"
				    "\xc3\xa9\xf0\x9f\x98\x80\xff";

	make_psf2_header(3, 12, 10);
	for (const char *byte = table; *byte; byte++)
		add8((uint8_t)*byte);
}

/* Opens a copy that ends where the font ends, so that an overread is seen. */
static int open_copy(const uint8_t *data, size_t size)
{
	static uint8_t *copy;

	free(copy);
	copy = malloc(size ? size : 1);
	memcpy(copy, data, size);
	return psf_open(&font, copy, size);
}

static int open_made(void)
{
	return open_copy(made.data, made.size);
}

/* Every glyph that can be asked for is readable to its last byte. */
static unsigned int sum_of_all(void)
{
	unsigned int sum = 0;

	for (uint32_t code = 0; code < 0x11000; code++)
		sum += psf_glyph(&font, code)[font.glyph_bytes - 1];
	return sum;
}

static void test_good_fonts(void)
{
	make_psf1();
	tap_ok(open_made() == 0, "psf1 opens");
	tap_ok(font.count == 256 && font.width == 8 && font.height == 16 && font.glyph_bytes == 16,
	       "psf1 sizes");
	tap_ok(psf_find(&font, 0x400) == 0 && psf_find(&font, 0x4ff) == 255, "psf1 table");
	tap_ok(psf_find(&font, 'A') == -ENOENT, "psf1 sequences are not mapped");
	tap_ok(psf_glyph(&font, 'A') == font.glyphs + 63 * 16,
	       "missing glyph is the question mark");

	make_psf2();
	tap_ok(open_made() == 0, "psf2 opens");
	tap_ok(font.row_bytes == 2 && font.glyph_bytes == 20, "psf2 sizes");
	tap_ok(psf_find(&font, 0x2588) == 0 && psf_find(&font, '?') == 1 &&
		       psf_find(&font, 0xe9) == 2,
	       "psf2 table");
	tap_ok(psf_find(&font, 'e') == -ENOENT, "psf2 sequences are not mapped");
	tap_ok(psf_find(&font, 0x1f600) == -ENOENT && psf_find(&font, 0xf600) == -ENOENT &&
		       psf_find(&font, UINT32_MAX) == -ENOENT,
	       "code points above U+FFFF are missing, not misread");

	make_psf2();
	made.data[12] = 0;
	tap_ok(open_made() == 0 && psf_find(&font, 2) == 2 && psf_find(&font, 3) == -ENOENT &&
		       font.fallback == 0,
	       "psf2 without a table: glyph n is code point n");
}

/* Code points of more pages than there are tables for. */
static void test_many_pages(void)
{
	make_psf2_header(256, 8, 8);
	for (unsigned int glyph = 0; glyph < 256; glyph++) {
		unsigned int code = 0x80 + glyph * 0x80;
		if (code >= 0x800) {
			add8(0xe0 | code >> 12);
			add8(0x80 | (code >> 6 & 0x3f));
		} else {
			add8(0xc0 | code >> 6);
		}
		add8(0x80 | (code & 0x3f));
		add8(PSF2_END);
	}
	tap_ok(open_made() == 0 && psf_find(&font, 0x80) == 0, "a font of too many pages opens");
	tap_ok(font.pages_used == PSF_PAGES && psf_find(&font, 0x8000) == -ENOENT,
	       "and its last pages are left out");
}

static bool all_cuts_refused(size_t from)
{
	for (size_t size = from; size < made.size; size++) {
		if (open_copy(made.data, size) != -EINVAL)
			return false;
	}
	return true;
}

static int open_patched(size_t at, uint32_t value)
{
	make_psf2();
	for (unsigned int i = 0; i < 4; i++)
		made.data[at + i] = value >> 8 * i;
	return open_made();
}

static void test_damage(void)
{
	static const struct {
		const char *name;
		size_t at;
		uint32_t value;
	} patches[] = {
		{ "magic", 0, 0x864ab573 },        { "header inside itself", 8, 31 },
		{ "header past the end", 8, ~0u }, { "no glyphs", 16, 0 },
		{ "2^32-1 glyphs", 16, ~0u },      { "product of 2^32", 16, 0x10000000 },
		{ "glyph size", 20, 21 },          { "height 0", 24, 0 },
		{ "height 2^31", 24, 1u << 31 },   { "width 0", 28, 0 },
		{ "width 2^32-1", 28, ~0u },       { "width 65", 28, 65 },
	};

	make_psf1();
	tap_ok(all_cuts_refused(0), "psf1 cut at any byte is refused");
	make_psf2();
	tap_ok(all_cuts_refused(0), "psf2 cut at any byte is refused");
	for (size_t i = 0; i < sizeof(patches) / sizeof(patches[0]); i++)
		tap_ok(open_patched(patches[i].at, patches[i].value) == -EINVAL, "psf2 refused: %s",
		       patches[i].name);
	make_psf1();
	made.data[3] = 0;
	tap_ok(open_made() == -EINVAL, "psf1 refused: height 0");
	made.data[3] = 255;
	tap_ok(open_made() == -EINVAL, "psf1 refused: height 255");
}

static uint32_t next_random(void)
{
	static uint32_t state = 2463534242u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

/* Random damage: whatever still opens must be safe to draw from. */
static void test_random_damage(void)
{
	unsigned int opened = 0, refused = 0, sum = 0;

	for (unsigned int round = 0; round < 3000; round++) {
		if (round % 2)
			make_psf1();
		else
			make_psf2();
		for (unsigned int i = next_random() % 8; i; i--)
			made.data[next_random() % (round % 4 < 2 ? 40 : made.size)] = next_random();
		if (open_copy(made.data, made.size - next_random() % 3 * (next_random() % 9))) {
			refused++;
			continue;
		}
		opened++;
		sum += round % 16 ? 0 : sum_of_all();
	}
	tap_ok(opened > 100 && refused > 100, "random damage: %u opened, %u refused (sum %u)",
	       opened, refused, sum);
}

/* Decodes a string, a code point for each and 0 after the last. */
static bool decodes_to(const char *text, const uint32_t *expected)
{
	struct utf8 utf8 = { 0 };
	uint32_t codes[2];

	for (; *text; text++) {
		unsigned int count = utf8_feed(&utf8, (uint8_t)*text, codes);
		for (unsigned int i = 0; i < count; i++) {
			if (*expected++ != codes[i])
				return false;
		}
	}
	return !*expected;
}

static void test_utf8(void)
{
	static const struct {
		const char *name, *text;
		uint32_t codes[12];
	} cases[] = {
		{ "1 to 4 bytes",
		  "A\xc3\xa9\xe2\x96\x88\xf0\x9f\x98\x80",
		  { 'A', 0xe9, 0x2588, 0x1f600 } },
		{ "ends of the ranges",
		  "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80"
		  "\xf4\x8f\xbf\xbf",
		  { 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff } },
		{ "lone continuation", "a\x80z", { 'a', 0xfffd, 'z' } },
		{ "cut short by a letter", "\xe2\x96z", { 0xfffd, 'z' } },
		{ "cut short by a sequence", "\xe2\x96\xc3\xa9", { 0xfffd, 0xe9 } },
		{ "overlong 2", "\xc0\xaf", { 0xfffd, 0xfffd } },
		{ "overlong 3", "\xe0\x9f\xbf", { 0xfffd, 0xfffd, 0xfffd } },
		{ "overlong 4", "\xf0\x8f\xbf\xbf", { 0xfffd, 0xfffd, 0xfffd, 0xfffd } },
		{ "surrogate", "\xed\xa0\x80", { 0xfffd, 0xfffd, 0xfffd } },
		{ "above U+10FFFF", "\xf4\x90\x80\x80", { 0xfffd, 0xfffd, 0xfffd, 0xfffd } },
		{ "never valid", "\xf5\xff", { 0xfffd, 0xfffd } },
		{ "the standard's example",
		  "\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64",
		  { 'a', 0xfffd, 0xfffd, 0xfffd, 'b', 0xfffd, 'c', 0xfffd, 0xfffd, 'd' } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		tap_ok(decodes_to(cases[i].text, cases[i].codes), "utf8: %s", cases[i].name);
}

/* The glyphs that Nudge's own output needs, save the block elements that fbdraw can make. */
static void test_console_font(const char *path)
{
	static const uint32_t wanted[] = { 0xb7, 0x2192, 0x2500, 0x2502, 0xb0, 0xb5, 0xe9, 0x2588 };
	FILE *file = fopen(path, "rb");

	made.size = file ? fread(made.data, 1, FONT_MAX, file) : 0;
	if (file)
		fclose(file);
	if (!tap_ok(open_made() == 0, "%s opens", path))
		return;
	tap_ok(sum_of_all() > 0, "%s: all glyphs readable", path);
	for (uint32_t code = ' '; code < 0x7f; code++) {
		if (psf_find(&font, code) < 0)
			tap_ok(false, "%s has '%c'", path, (char)code);
	}
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		tap_ok(psf_find(&font, wanted[i]) >= 0, "%s has U+%04X", path, wanted[i]);
}

int main(int argc, char **argv)
{
	test_good_fonts();
	test_many_pages();
	test_damage();
	test_random_damage();
	test_utf8();
	if (argc > 1)
		test_console_font(argv[1]);
	else
		tap_skip("no font was named", "the console font has what Nudge shows");
	return tap_done();
}

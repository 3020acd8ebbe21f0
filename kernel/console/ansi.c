/*
 * The escape sequence parser (ECMA-48 §5.4, §8.3.117 for SGR). It knows how long every sequence is,
 * so that those which it does not understand leave nothing on the screen.
 */
#include <kernel/console/ansi.h>

#define ESC           0x1b
#define DEL           0x7f
#define C1_END        0xa0
#define ANSI_RGB      0x01000000u
#define PARAMETER_MAX 9999

#define SGR_DIRECT_COLOUR  2 /* 38;2;r;g;b */
#define SGR_INDEXED_COLOUR 5 /* 38;5;n */

enum { STATE_TEXT, STATE_ESCAPE, STATE_SEQUENCE, STATE_STRING };

static const uint32_t palette[16] = {
	0x000000, 0xaa0000, 0x00aa00, 0xaa5500, 0x2244cc, 0xaa00aa, 0x00aaaa, 0xaaaaaa,
	0x555555, 0xff5555, 0x55ff55, 0xffff55, 0x6688ff, 0xff55ff, 0x55ffff, 0xffffff,
};

void ansi_reset_style(struct ansi *ansi)
{
	ansi->fg = ANSI_DEFAULT_FG;
	ansi->bg = ANSI_DEFAULT_BG;
	ansi->bold = ansi->inverse = false;
}

static uint32_t plain_foreground(const struct ansi *ansi)
{
	if (ansi->fg & ANSI_RGB)
		return ansi->fg & ~ANSI_RGB;
	return palette[(ansi->bold ? ansi->fg | 8 : ansi->fg) % 16];
}

static uint32_t plain_background(const struct ansi *ansi)
{
	return ansi->bg & ANSI_RGB ? ansi->bg & ~ANSI_RGB : palette[ansi->bg % 16];
}

uint32_t ansi_foreground(const struct ansi *ansi)
{
	return ansi->inverse ? plain_background(ansi) : plain_foreground(ansi);
}

uint32_t ansi_background(const struct ansi *ansi)
{
	return ansi->inverse ? plain_foreground(ansi) : plain_background(ansi);
}

uint32_t ansi_parameter(const struct ansi *ansi, uint32_t index, uint32_t fallback)
{
	if (index >= ansi->parameters || index >= ANSI_PARAMETERS || !ansi->parameter[index])
		return fallback;
	return ansi->parameter[index];
}

/* One level of a direct colour. */
static uint32_t level(const struct ansi *ansi, uint32_t index)
{
	uint32_t value = ansi_parameter(ansi, index, 0);

	return value > 0xff ? 0xff : value;
}

/*
 * The colour after a 38 or 48 at index. Returns how many parameters belong to it; a palette of 256
 * is stepped over, not offered.
 */
static uint32_t set_extended(const struct ansi *ansi, uint32_t index, uint32_t *colour)
{
	uint32_t kind = ansi_parameter(ansi, index + 1, 0);

	if (kind == SGR_INDEXED_COLOUR)
		return 3;
	if (kind != SGR_DIRECT_COLOUR || index + 4 >= ansi->parameters)
		return ANSI_PARAMETERS;
	*colour = ANSI_RGB | level(ansi, index + 2) << 16 | level(ansi, index + 3) << 8 |
		  level(ansi, index + 4);
	return 5;
}

/* Applies the SGR parameter at index; returns how many parameters that took. */
static uint32_t apply_rendition(struct ansi *ansi, uint32_t index)
{
	uint32_t code = ansi_parameter(ansi, index, 0);

	if (code == 0)
		ansi_reset_style(ansi);
	else if (code == 1 || code == 22)
		ansi->bold = code == 1;
	else if (code == 7 || code == 27)
		ansi->inverse = code == 7;
	else if (code >= 30 && code <= 37)
		ansi->fg = code - 30;
	else if (code >= 40 && code <= 47)
		ansi->bg = code - 40;
	else if (code >= 90 && code <= 97)
		ansi->fg = code - 90 + 8;
	else if (code >= 100 && code <= 107)
		ansi->bg = code - 100 + 8;
	else if (code == 38 || code == 48)
		return set_extended(ansi, index, code == 38 ? &ansi->fg : &ansi->bg);
	else if (code == 39)
		ansi->fg = ANSI_DEFAULT_FG;
	else if (code == 49)
		ansi->bg = ANSI_DEFAULT_BG;
	return 1;
}

static void begin_csi(struct ansi *ansi)
{
	ansi->state = STATE_SEQUENCE;
	ansi->understood = true;
	ansi->parameters = 1;
	ansi->parameter[0] = 0;
}

/* After ESC: a CSI sequence, a string up to the next control, or one more letter. */
static void feed_escape(struct ansi *ansi, uint32_t code)
{
	if (code == '[')
		begin_csi(ansi);
	else if (code == ']' || code == 'P' || code == 'X' || code == '^' || code == '_')
		ansi->state = STATE_STRING;
	else if (code < ' ' || code > '/')
		ansi->state = STATE_TEXT;
}

static void feed_parameter(struct ansi *ansi, uint32_t code)
{
	uint32_t *last = &ansi->parameter[(ansi->parameters - 1) % ANSI_PARAMETERS];

	if (code == ';' && ansi->parameters < ANSI_PARAMETERS)
		ansi->parameter[ansi->parameters++ % ANSI_PARAMETERS] = 0;
	else if (code >= '0' && code <= '9' && *last <= PARAMETER_MAX)
		*last = *last * 10 + (code - '0');
	else
		ansi->understood = false;
}

static enum ansi_event feed_sequence(struct ansi *ansi, uint32_t code)
{
	if (code >= ' ' && code <= '?') {
		feed_parameter(ansi, code);
		return ANSI_NOTHING;
	}
	ansi->state = STATE_TEXT;
	if (!ansi->understood)
		return ANSI_NOTHING;
	if (code == 'm') {
		for (uint32_t i = 0; i < ansi->parameters;)
			i += apply_rendition(ansi, i);
	}
	return ANSI_SEQUENCE;
}

enum ansi_event ansi_feed(struct ansi *ansi, uint32_t code)
{
	if (code == ESC) {
		ansi->state = STATE_ESCAPE;
		return ANSI_NOTHING;
	}
	if (code < ' ') {
		ansi->state = STATE_TEXT;
		return ANSI_CONTROL;
	}
	if (ansi->state == STATE_ESCAPE)
		feed_escape(ansi, code);
	else if (ansi->state == STATE_SEQUENCE)
		return feed_sequence(ansi, code);
	else if (ansi->state == STATE_TEXT && (code < DEL || code >= C1_END))
		return ANSI_TEXT;
	return ANSI_NOTHING;
}

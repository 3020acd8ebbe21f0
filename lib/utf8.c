/*
 * The UTF-8 decoder. Overlong forms, surrogates and code points above U+10FFFF are refused at the
 * second byte already, by its narrowed range (Unicode 15 §3.9, table 3-7).
 */
#include <lib/utf8.h>
#include <stdbool.h>

static void expect(struct utf8 *utf8, uint8_t more, uint32_t bits, uint8_t low, uint8_t high)
{
	utf8->more = more;
	utf8->code = bits;
	utf8->low = low;
	utf8->high = high;
}

static bool begin_sequence(struct utf8 *utf8, uint8_t lead)
{
	if (lead < 0xc2 || lead > 0xf4)
		return false;
	if (lead < 0xe0)
		expect(utf8, 1, lead & 0x1f, 0x80, 0xbf);
	else if (lead < 0xf0)
		expect(utf8, 2, lead & 0x0f, lead == 0xe0 ? 0xa0 : 0x80,
		       lead == 0xed ? 0x9f : 0xbf);
	else
		expect(utf8, 3, lead & 0x07, lead == 0xf0 ? 0x90 : 0x80,
		       lead == 0xf4 ? 0x8f : 0xbf);
	return true;
}

static unsigned int continue_sequence(struct utf8 *utf8, uint8_t byte, uint32_t *out)
{
	expect(utf8, utf8->more - 1, utf8->code << 6 | (byte & 0x3f), 0x80, 0xbf);
	if (utf8->more)
		return 0;
	*out = utf8->code;
	return 1;
}

unsigned int utf8_feed(struct utf8 *utf8, uint8_t byte, uint32_t out[2])
{
	unsigned int count = 0;

	if (utf8->more && byte >= utf8->low && byte <= utf8->high)
		return continue_sequence(utf8, byte, out);
	if (utf8->more)
		out[count++] = UTF8_REPLACEMENT;
	utf8->more = 0;

	if (byte < 0x80)
		out[count++] = byte;
	else if (!begin_sequence(utf8, byte))
		out[count++] = UTF8_REPLACEMENT;
	return count;
}

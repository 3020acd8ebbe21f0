/*
 * Incremental UTF-8: one byte in, the code points that it completes out, so that text may be cut
 * anywhere between two writes. Malformed input becomes U+FFFD, one for each maximal ill-formed
 * part (Unicode 15 §3.9, "U+FFFD Substitution of Maximal Subparts"), and the byte that broke a
 * sequence is read again as the beginning of the next one.
 */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

#include <stdint.h>

#define UTF8_REPLACEMENT 0xfffdu

/* All zero is the state between two code points. */
struct utf8 {
	uint32_t code;     /* the bits gathered so far */
	uint8_t more;      /* continuation bytes still owed */
	uint8_t low, high; /* what the next of them may be */
};

/*
 * Takes one byte and stores the code points that it completes in out; returns how many: 0, 1, or 2
 * when the byte cut a sequence short and is a code point by itself. Any context.
 */
unsigned int utf8_feed(struct utf8 *utf8, uint8_t byte, uint32_t out[2]);

#endif

/* How long something took, in the unit in which a person would say it. Any context. */
#ifndef LIB_AGE_H
#define LIB_AGE_H

#include <stddef.h>
#include <stdint.h>

#define AGE_TEXT 24 /* what any age needs, with its NUL */

/* Writes "12 us", "3.2 ms", "41 ms", "5.0 s" or "90 s"; the rest is cut off. Returns text. */
const char *age_format(uint64_t ns, char *text, size_t size);

#endif

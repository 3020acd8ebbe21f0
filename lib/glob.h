/* Matching of names against patterns. Any context. */
#ifndef LIB_GLOB_H
#define LIB_GLOB_H

#include <stdbool.h>

/* '*' stands for any text, '?' for one character. */
bool glob_match(const char *pattern, const char *text);

/* Whether one of the patterns in a comma-separated list matches. */
bool glob_match_list(const char *patterns, const char *text);

#endif

/*
 * Globs by backtracking to the last star: no recursion, no allocation.
 */
#include <lib/glob.h>
#include <stddef.h>

static bool match(const char *pattern, const char *end, const char *text)
{
	const char *star = NULL, *retry = NULL;

	while (*text) {
		if (pattern < end && *pattern == '*') {
			star = pattern++;
			retry = text;
		} else if (pattern < end && (*pattern == '?' || *pattern == *text)) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++retry;
		} else {
			return false;
		}
	}
	while (pattern < end && *pattern == '*')
		pattern++;
	return pattern == end;
}

static const char *end_of_item(const char *item)
{
	while (*item && *item != ',')
		item++;
	return item;
}

bool glob_match(const char *pattern, const char *text)
{
	const char *end = pattern;

	while (*end)
		end++;
	return match(pattern, end, text);
}

bool glob_match_list(const char *patterns, const char *text)
{
	for (;;) {
		const char *end = end_of_item(patterns);

		if (match(patterns, end, text))
			return true;
		if (!*end)
			return false;
		patterns = end + 1;
	}
}

/*
 * Ages in words: two digits are what a reader of a report needs.
 */
#include <lib/age.h>
#include <lib/printf.h>

#define US 1000ul
#define MS 1000000ul
#define S  1000000000ul

const char *age_format(uint64_t ns, char *text, size_t size)
{
	if (ns < MS)
		snprintf(text, size, "%lu us", ns / US);
	else if (ns < 10 * MS)
		snprintf(text, size, "%lu.%lu ms", ns / MS, ns % MS / (MS / 10));
	else if (ns < S)
		snprintf(text, size, "%lu ms", ns / MS);
	else if (ns < 60 * S)
		snprintf(text, size, "%lu.%lu s", ns / S, ns % S / (S / 10));
	else
		snprintf(text, size, "%lu s", ns / S);
	return text;
}

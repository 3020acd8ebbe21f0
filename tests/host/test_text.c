/*
 * Formatting and strings beside the C library's: the same on every input. Buffers are as large as
 * they must be and no larger, so that the sanitizers see what goes past their ends.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/host/tap.h>

/* The C library's own, before their names are taken. */
static int sign(int value)
{
	return (value > 0) - (value < 0);
}

static int their_strcmp(const char *a, const char *b)
{
	return sign(strcmp(a, b));
}

static int their_strncmp(const char *a, const char *b, size_t max)
{
	return sign(strncmp(a, b, max));
}

static int their_memcmp(const void *a, const void *b, size_t size)
{
	return sign(memcmp(a, b, size));
}

static void *their_memmove(void *to, const void *from, size_t size)
{
	return memmove(to, from, size);
}

static char *their_strchr(const char *text, int wanted)
{
	return strchr(text, wanted);
}

static size_t their_strlen(const char *text)
{
	return strlen(text);
}

__attribute__((format(printf, 3, 0))) static int their_vsnprintf(char *buffer, size_t size,
								 const char *format, va_list args)
{
	return vsnprintf(buffer, size, format, args);
}

/* As the architecture's, it goes upwards, which memmove relies on. */
static void *copy_upwards(void *to, const void *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((char *)to)[i] = ((const char *)from)[i];
	return to;
}

#define memcpy    copy_upwards
#define memmove   nudge_memmove
#define memcmp    nudge_memcmp
#define strlen    nudge_strlen
#define strnlen   nudge_strnlen
#define strcmp    nudge_strcmp
#define strncmp   nudge_strncmp
#define strchr    nudge_strchr
#define snprintf  nudge_snprintf
#define vsnprintf nudge_vsnprintf
#include <lib/printf.c>
#include <lib/random.h>
#include <lib/string.c>

#define ROUNDS 20000
#define TEXT   16 /* longest text of those that are drawn */

static uint64_t seed = 1;

/* Whether it says the same into a buffer of any size, and as much of it. */
__attribute__((format(printf, 1, 2))) static bool formats_alike(const char *format, ...)
{
	bool alike = true;
	va_list args, again;

	va_start(args, format);
	for (size_t size = 0; size < 64; size++) {
		char *ours = malloc(size + !size), *theirs = malloc(size + !size);
		int length;

		va_copy(again, args);
		length = vsnprintf(ours, size, format, again);
		va_end(again);
		va_copy(again, args);
		alike &= their_vsnprintf(theirs, size, format, again) == length;
		va_end(again);
		alike &= !size || !their_strcmp(ours, theirs);
		free(ours);
		free(theirs);
	}
	va_end(args);
	return tap_ok(alike, "%s is the C library's", format);
}

static void test_formats(void)
{
	static const uint64_t numbers[] = { 0,         1,          9,         10,        255,
					    INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX };

	for (unsigned int i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint64_t n = numbers[i];

		formats_alike("%lu|%ld|%lx|%lX", n, (long)n, n, n);
		formats_alike("%u|%d|%x|%hhu|%hd", (unsigned int)n, (int)n, (unsigned int)n,
			      (unsigned int)n & 0xff, (short)n);
		formats_alike("%20ld|%-20ld|%020ld|%+ld|% ld", (long)n, (long)n, (long)n, (long)n,
			      (long)n);
		formats_alike("%.5ld|%12.5ld|%-12.5ld|%*.*ld", (long)n, (long)n, (long)n, 9, 3,
			      (long)n);
		formats_alike("%-*zu|%tu", 7, (size_t)n, (ptrdiff_t)n);
	}
	formats_alike("%#x|%#8x|%#010lx|%#-12lx|", 255u, 255u, 0xbeeful, 0xbeeful);
	formats_alike("%s|%5s|%-5s|%.2s|%.0s|%*s", "abc", "ab", "ab", "abc", "abc", -4, "a");
	formats_alike("%c%%%c|%i", 'x', 'y', -7);
}

/* Of few letters, so that they are often alike. A buffer of its own, to be freed. */
static char *draw_text(void)
{
	size_t length = random_below(&seed, TEXT);
	char *text = malloc(length + 1);

	for (size_t i = 0; i < length; i++)
		text[i] = "ab\xff"[random_below(&seed, 3)];
	text[length] = '\0';
	return text;
}

static bool compares_alike(const char *a, const char *b)
{
	size_t max = random_below(&seed, TEXT), shorter = their_strlen(a);

	if (their_strlen(b) < shorter)
		shorter = their_strlen(b);
	return sign(strcmp(a, b)) == their_strcmp(a, b) &&
	       sign(strncmp(a, b, max)) == their_strncmp(a, b, max) &&
	       sign(memcmp(a, b, shorter)) == their_memcmp(a, b, shorter);
}

static bool measures_alike(const char *a)
{
	size_t length = their_strlen(a), max = random_below(&seed, TEXT);

	return strlen(a) == length && strnlen(a, max) == (length < max ? length : max) &&
	       strchr(a, 'b') == their_strchr(a, 'b') && strchr(a, 0xff) == their_strchr(a, 0xff) &&
	       strchr(a, '\0') == a + length;
}

static bool moves_alike(void)
{
	unsigned char ours[TEXT], theirs[TEXT];
	size_t size = random_below(&seed, TEXT), to = random_below(&seed, TEXT - size);
	size_t from = random_below(&seed, TEXT - size);

	for (unsigned int i = 0; i < TEXT; i++)
		ours[i] = theirs[i] = (unsigned char)random_below(&seed, 256);
	their_memmove(theirs + to, theirs + from, size);
	return memmove(ours + to, ours + from, size) == ours + to &&
	       !their_memcmp(ours, theirs, TEXT);
}

static void test_strings(void)
{
	bool compares = true, measures = true, moves = true;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		char *a = draw_text(), *b = draw_text();

		compares &= compares_alike(a, b);
		measures &= measures_alike(a);
		moves &= moves_alike();
		free(a);
		free(b);
	}
	tap_ok(compares, "comparisons are the C library's");
	tap_ok(measures, "lengths and searches are the C library's");
	tap_ok(moves, "overlapping moves are the C library's");
}

int main(void)
{
	test_formats();
	test_strings();
	return tap_done();
}

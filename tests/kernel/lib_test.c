/*
 * The plain C in lib: formatting, globs, masks, percentiles.
 */
#include "test.h"
#include <lib/age.h>
#include <lib/cpumask.h>
#include <lib/glob.h>
#include <lib/printf.h>
#include <lib/random.h>
#include <lib/samples.h>
#include <lib/string.h>

static void __attribute__((format(printf, 2, 3)))
formats(const char *wanted, const char *format, ...)
{
	char text[128];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (strcmp(text, wanted) || length != (int)strlen(wanted))
		test_fail(__FILE__, __LINE__, "\"%s\" gave \"%s\", expected \"%s\"", format, text,
			  wanted);
}

TEST(lib, printf)
{
	formats("-5|+5| 5|00005", "%d|%+d|% d|%05d", -5, 5, 5, 5);
	formats("-9223372036854775808", "%ld", INT64_MIN);
	formats("18446744073709551615 ff FF", "%lu %x %X", UINT64_MAX, 255u, 255u);
	formats("0xff|    0xff|0x00ff", "%#x|%#8x|%#06x", 255u, 255u, 255u);
	formats("ab   |   ab|ab", "%-5s|%5s|%.2s", "ab", "ab", "abc");
	formats("x%y", "%c%%%c", 'x', 'y');
	formats("  1|1  |001", "%*d|%-*d|%.3d", 3, 1, 3, 1, 1);
	formats("-1 -1", "%hhd %hd", (signed char)-1, (short)-1);
}

TEST(lib, printf_cuts_off)
{
	char text[4] = "zzz";

	EXPECT_EQ(snprintf(text, sizeof(text), "%s", "abcdef"), 6);
	EXPECT(!strcmp(text, "abc"));
	EXPECT_EQ(snprintf(text, 0, "%d", 12), 2);
	EXPECT(!strcmp(text, "abc"));
}

TEST(lib, ages)
{
	char text[AGE_TEXT];

	EXPECT(!strcmp(age_format(999999, text, sizeof(text)), "999 us"));
	EXPECT(!strcmp(age_format(3249999, text, sizeof(text)), "3.2 ms"));
	EXPECT(!strcmp(age_format(41000000, text, sizeof(text)), "41 ms"));
	EXPECT(!strcmp(age_format(59999999999, text, sizeof(text)), "59.9 s"));
	EXPECT(!strcmp(age_format(60000000000, text, sizeof(text)), "60 s"));
}

TEST(lib, glob)
{
	EXPECT(glob_match("*", "") && glob_match("smp.*", "smp.order"));
	EXPECT(glob_match("*.or?er", "smp.order") && glob_match("a*b*c", "aXbYbZc"));
	EXPECT(!glob_match("smp.", "smp.order") && !glob_match("?", ""));
	EXPECT(glob_match_list("a.*,smp.*", "smp.x") && !glob_match_list("a,b", "ab"));
}

TEST(lib, cpumask)
{
	struct cpumask mask = { 0 };
	unsigned int seen = 0;

	EXPECT_EQ(cpumask_next(&mask, 0), MAX_CPUS);
	cpumask_set(&mask, 0);
	cpumask_set(&mask, 63);
	cpumask_set(&mask, 64);
	cpumask_set_atomic(&mask, MAX_CPUS - 1);
	for_each_cpu(cpu, &mask)
		seen += cpu;
	EXPECT_EQ(seen, 63 + 64 + MAX_CPUS - 1);
	EXPECT_EQ(cpumask_weight(&mask), 4);
	cpumask_clear_atomic(&mask, 63);
	cpumask_clear(&mask, 0);
	EXPECT_EQ(cpumask_next(&mask, 0), 64);
	EXPECT(!cpumask_test(&mask, 63) && cpumask_test(&mask, MAX_CPUS - 1));
}

TEST(lib, samples)
{
	uint64_t samples[200];
	struct summary summary;

	for (unsigned int i = 0; i < 200; i++)
		samples[i] = (i * 77) % 200 + 1;
	summary = samples_summary(samples, 200);
	EXPECT_EQ(summary.min, 1);
	EXPECT_EQ(summary.p50, 100);
	EXPECT_EQ(summary.p90, 180);
	EXPECT_EQ(summary.p99, 198);
	EXPECT_EQ(summary.max, 200);
}

TEST(lib, memory_functions)
{
	char text[16] = "0123456789";

	memmove(text + 2, text, 8);
	EXPECT(!strcmp(text, "0101234567"));
	memmove(text, text + 2, 8);
	EXPECT(!memcmp(text, "01234567", 8));
	EXPECT(memcmp("a", "b", 1) < 0 && strcmp("a", "ab") < 0 && !strncmp("abX", "abY", 2));
	EXPECT_EQ(strnlen("abc", 2), 2);
}

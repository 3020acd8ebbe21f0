/*
 * The kernel's calls between CPUs as a program: its self-tests of them, tests for ThreadSanitizer,
 * and a torture. TAP on standard output; status 0 if all passed, 1 if not, 2 for bad usage.
 */
#include <arch/cpu.h>
#include <kernel/bootword.h>
#include <kernel/smp/cpu.h>
#include <lib/glob.h>
#include <lib/random.h>
#include <stdlib.h>
#include <string.h>
#include <tests/host/smp/host.h>
#include <tests/host/smp/torture.h>
#include <tests/host/tap.h>
#include <tests/kernel/test.h>

#define TORTURE    "torture"
#define DELIBERATE "deliberate."

static const char usage[] =
	"usage: smp-… [--cpus N] [--calls N] [--seconds N] [--seed S] [--test GLOB] [--deadline N]\n"
	"             [boot words]\n"
	"\n"
	"  --cpus N      threads that play CPUs, 1 to 16 (4)\n"
	"  --calls N     calls that the torture makes (100000)\n"
	"  --seconds N   ends the torture after that time (0: never)\n"
	"  --seed S      what random choices begin with (1)\n"
	"  --test GLOB   tests to run, patterns with commas between (*); one is \"" TORTURE "\"\n"
	"  --deadline N  seconds without any progress that are a failure (20)\n"
	"\n"
	"Boot words are the kernel's, e.g. fault=dup:single:100 or stall_ms=100.\n";

static uint64_t option_cpus = 4, option_calls = 100000, option_seconds, option_seed = 1,
		option_deadline = 20;
static const char *option_test = "*";

static const struct option {
	const char *name;
	uint64_t *number;
	uint64_t min, max;
} options[] = {
	{ "--cpus", &option_cpus, 1, HOST_CPUS },       { "--calls", &option_calls, 1, 1ull << 40 },
	{ "--seconds", &option_seconds, 0, 1 << 20 },   { "--seed", &option_seed, 0, UINT64_MAX },
	{ "--deadline", &option_deadline, 1, 1 << 20 },
};

extern const struct test *const tests_start[], *const tests_end[];

static char again[1024], words_again[512];
static _Atomic unsigned int failures; /* of the running test */
static const char *skip_reason;
static _Atomic(const char *) about;
static uint64_t random_state;

void test_fail(const char *file, int line, const char *format, ...)
{
	const char *what = atomic_load_explicit(&about, memory_order_relaxed);
	char text[256];
	va_list args;

	atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	host_say("%s at %s:%d on CPU %u%s%s", text, file, line, this_cpu->index, what ? ", " : "",
		 what ? what : "");
}

void test_about(const char *what)
{
	atomic_store_explicit(&about, what, memory_order_relaxed);
}

void test_skip(const char *reason)
{
	skip_reason = reason;
}

uint64_t test_random(void)
{
	return random_next(&random_state);
}

uint64_t test_random_below(uint64_t bound)
{
	return random_below(&random_state, bound);
}

uint64_t test_seed(void)
{
	return option_seed;
}

static void __attribute__((noreturn)) bad_usage(const char *word)
{
	fprintf(stderr, "%s: not understood\n%s", word, usage);
	exit(2);
}

static bool parse_number(const char *name, const char *value)
{
	for (const struct option *option = options; option < options + 5; option++) {
		char *end;

		if (strcmp(name, option->name))
			continue;
		*option->number = strtoull(value, &end, 0);
		return end != value && !*end && *option->number >= option->min &&
		       *option->number <= option->max;
	}
	return false;
}

static void complain(const char *source, const char *word, const char *help)
{
	(void)source;
	fprintf(stderr, "%s: %s\n", word, help ? help : "no such boot word");
}

/* With faults put in, calls stall: then the watch's reports are no failures. */
static void boot_word(const char *word)
{
	boot_words_parse(word, "command line", complain);
	if (boot_words_bad())
		exit(2);
	if (!strncmp(word, "fault=", strlen("fault=")))
		host_expect_stalls(true);
	strncat(words_again, " ", sizeof(words_again) - strlen(words_again) - 1);
	strncat(words_again, word, sizeof(words_again) - strlen(words_again) - 1);
}

static void parse(int count, char **words)
{
	for (int i = 1; i < count; i++) {
		if (strncmp(words[i], "--", 2)) {
			boot_word(words[i]);
			continue;
		}
		if (i + 1 == count)
			bad_usage(words[i]);
		if (!strcmp(words[i], "--test"))
			option_test = words[i + 1];
		else if (!parse_number(words[i], words[i + 1]))
			bad_usage(words[i]);
		i++;
	}
}

static void begin(const char *name, const char *program)
{
	snprintf(again, sizeof(again),
		 "%s --cpus %lu --calls %lu --seconds %lu --seed %lu --test '%s'%s", program,
		 option_cpus, option_calls, option_seconds, option_seed, name, words_again);
	host_now(name, again);
	random_state = option_seed;
	skip_reason = NULL;
	test_about(NULL);
	atomic_store_explicit(&failures, 0, memory_order_relaxed);
}

/* Tests that leave the machine without CPUs run only when they are named. */
static bool is_selected(const char *name)
{
	if (!strncmp(name, DELIBERATE, strlen(DELIBERATE)) &&
	    strncmp(option_test, DELIBERATE, strlen(DELIBERATE)))
		return false;
	return glob_match_list(option_test, name);
}

static void run_test(const struct test *test, const char *program)
{
	begin(test->name, program);
	test->run();
	if (skip_reason)
		tap_skip(skip_reason, "%s", test->name);
	else if (!tap_ok(!failures, "%s", test->name))
		host_say("again: %s", again);
}

/*
 * AddressSanitizer may keep objects apart with zeroes, also in a section that the linker gathers.
 */
static void __attribute__((no_sanitize("address"))) run_tests(const char *program)
{
	for (const struct test *const *test = tests_start; test < tests_end; test++) {
		if (*test && is_selected((*test)->name))
			run_test(*test, program);
	}
}

static void run_torture(const char *program)
{
	begin(TORTURE, program);
	host_say("again: %s", again); /* what a crash does not print */
	torture(option_calls, option_seconds, option_seed);
	tap_ok(true, TORTURE);
}

int main(int count, char **words)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	parse(count, words);
	host_catch_crashes();
	host_start((unsigned int)option_cpus, option_seed);
	host_watch((unsigned int)option_deadline);
	run_tests(words[0]);
	if (is_selected(TORTURE))
		run_torture(words[0]);
	return tap_done();
}

/*
 * Runs the self-tests that the boot word test= names, and prints TAP.
 */
#include "capture.h"
#include "stacks.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/machine.h>
#include <arch/time.h>
#include <kernel/bootword.h>
#include <kernel/console/printk.h>
#include <kernel/monitor/monitor.h>
#include <kernel/run.h>
#include <kernel/smp/cpu.h>
#include <lib/glob.h>
#include <lib/random.h>
#include <lib/string.h>
#include <stdarg.h>
#include <stdatomic.h>

#define SLOW_MS    1000
#define DELIBERATE "deliberate." /* tests that end the run; only when named */

extern const struct test *const tests_start[], *const tests_end[];

static char wanted[256] = "*";
BOOT_WORD_TEXT(test, wanted, "which self-tests: name patterns, with commas between");
static uint64_t seed = 1;
BOOT_WORD_NUMBER(seed, 0, UINT64_MAX, seed, "what random choices in tests begin with");

static const struct test *running;
static _Atomic unsigned int failures; /* of the running test */
static const char *skip_reason;
static _Atomic(const char *) about;
static uint64_t random_state;

static bool selected(const struct test *test)
{
	bool deliberate = !strncmp(test->name, DELIBERATE, strlen(DELIBERATE));

	if (deliberate && strncmp(wanted, DELIBERATE, strlen(DELIBERATE)))
		return false;
	return glob_match_list(wanted, test->name);
}

static uint64_t hash(const char *text)
{
	uint64_t value = 0xcbf29ce484222325ull;

	for (; *text; text++)
		value = (value ^ (uint8_t)*text) * 0x100000001b3ull;
	return value;
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
	return seed;
}

static void print_configuration(void)
{
	printk("#   seed=%lu cpus=%u apic=%s\n# again: tests/run --smp %u --cpu max -- run=test "
	       "test=%s seed=%lu apic=%s\n",
	       seed, nr_cpus, arch_apic_mode(), nr_cpus, running->name, seed, arch_apic_mode());
}

void test_fail(const char *file, int line, const char *format, ...)
{
	const char *what = atomic_load_explicit(&about, memory_order_relaxed);
	va_list args;

	if (atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed) >= 10)
		return;
	va_start(args, format);
	printk_line("# ", format, args);
	va_end(args);
	printk("#   at %s:%d on CPU %u%s%s\n", file, line, this_cpu->index, what ? ", " : "",
	       what ? what : "");
}

void test_skip(const char *reason)
{
	skip_reason = reason;
}

void test_about(const char *what)
{
	atomic_store_explicit(&about, what, memory_order_relaxed);
}

static bool run_one(const struct test *test, unsigned int number)
{
	unsigned int complaints = capture_complaints();
	uint64_t start = clock_ns(), ms;

	running = test;
	skip_reason = NULL;
	test_about(NULL);
	random_state = seed ^ hash(test->name);
	atomic_store_explicit(&failures, 0, memory_order_relaxed);
	test->run();
	if (capture_complaints() != complaints)
		test_fail(__FILE__, __LINE__, "what is told above was not expected");
	ms = (clock_ns() - start) / 1000000;
	if (ms >= SLOW_MS)
		printk("# %s took %lu ms\n", test->name, ms);
	if (atomic_load_explicit(&failures, memory_order_relaxed)) {
		printk("not ok %u - %s\n", number, test->name);
		print_configuration();
		return false;
	}
	printk("ok %u - %s%s%s\n", number, test->name, skip_reason ? " # SKIP " : "",
	       skip_reason ? skip_reason : "");
	return true;
}

static unsigned int count_selected(void)
{
	unsigned int count = 0;

	for (const struct test *const *test = tests_start; test < tests_end; test++)
		count += selected(*test);
	return count;
}

static enum verdict run_tests(void)
{
	unsigned int number = 0, failed = 0;

	make_work_stacks();
	printk("TAP version 13\n1..%u\n", count_selected());
	for (const struct test *const *test = tests_start; test < tests_end; test++) {
		if (selected(*test))
			failed += !run_one(*test, ++number);
	}
	if (!number)
		printk("# test=%s names no test\n", wanted);
	return failed || !number ? VERDICT_FAIL : VERDICT_PASS;
}
RUN_MODE(test, run_tests);

static void test_command(const char *arguments)
{
	if (strlen(arguments) >= sizeof(wanted)) {
		printk("too long\n");
		return;
	}
	memcpy(wanted, *arguments ? arguments : "*", *arguments ? strlen(arguments) + 1 : 2);
	printk("# %s\n", run_tests() == VERDICT_PASS ? "all passed" : "there were failures");
}
COMMAND(test, "run self-tests; a pattern may follow, e.g. test smp.*", test_command);

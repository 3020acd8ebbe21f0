/*
 * In-kernel self-tests. A test is a function that is registered with TEST(); the
 * linker gathers them, the runner prints TAP. Names are suite.name.
 *
 * EXPECT records a failure and goes on, REQUIRE also leaves the test function.
 */
#ifndef TESTS_KERNEL_TEST_H
#define TESTS_KERNEL_TEST_H

#include <stdbool.h>
#include <stdint.h>

struct test {
	const char *name;
	void (*run)(void);
};

/* Registered by pointer: the linker may align the structures apart. */
#define TEST(suite, test_name) \
	static void suite##_##test_name(void); \
	static const struct test test_##suite##_##test_name = { #suite "." #test_name, \
								suite##_##test_name }; \
	static const struct test *const test_pointer_##suite##_##test_name \
		__attribute__((used, section(".tests"))) = &test_##suite##_##test_name; \
	static void suite##_##test_name(void)

/* A line "# …" now and "not ok" at the end. Any CPU, not NMI. */
void test_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The test cannot run here. Ends nothing: return after it. */
void test_skip(const char *reason);

/* What of several things the test tries now: named with each failure. Until its end, or NULL. */
void test_about(const char *what);

/* Random numbers that seed= repeats; the test's name is mixed in. */
uint64_t test_random(void);
uint64_t test_random_below(uint64_t bound);

/* The number that seed= gave. */
uint64_t test_seed(void);

#define EXPECT(condition) \
	do { \
		if (!(condition)) \
			test_fail(__FILE__, __LINE__, "%s", #condition); \
	} while (0)

#define EXPECT_EQ(got, wanted) \
	do { \
		long long got_ = (long long)(got), wanted_ = (long long)(wanted); \
		if (got_ != wanted_) \
			test_fail(__FILE__, __LINE__, "%s is %lld (%#llx), expected %lld (%s)", \
				  #got, got_, got_, wanted_, #wanted); \
	} while (0)

#define REQUIRE(condition) \
	do { \
		if (!(condition)) { \
			test_fail(__FILE__, __LINE__, "%s", #condition); \
			return; \
		} \
	} while (0)

/* Waits, bounded, until the condition holds; whether it did. */
#define WAIT_UNTIL(condition) \
	({ \
		uint64_t start_ = clock_ns(); \
		bool held_; \
		while (!(held_ = (condition)) && clock_ns() - start_ < 20000000000ull) \
			cpu_relax(); \
		held_; \
	})

#endif

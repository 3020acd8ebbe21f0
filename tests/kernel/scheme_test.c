/*
 * What holds for every scheme of calls, the kernel's among them.
 */
#include "capture.h"
#include "hold.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/sched/work.h>
#include <lib/errno.h>
#include <lib/random.h>
#include <tests/schemes/scheme.h>

static void with_each(void (*try)(const struct call_scheme *scheme))
{
	for (const struct call_scheme *const *scheme = call_schemes; *scheme; scheme++) {
		test_about((*scheme)->name);
		clear_runs();
		EXPECT_EQ(call_scheme_use(*scheme), 0);
		try(*scheme);
		EXPECT_EQ(call_scheme_use(NULL), 0);
	}
}

/* On an emulator of many CPUs these few. */
#define FEW_CPUS 40

static void call_each_once(const struct call_scheme *scheme)
{
	struct cpumask targets = some_others(FEW_CPUS);

	cpumask_set(&targets, this_cpu->index);
	for_each_cpu(cpu, &targets) {
		EXPECT_EQ(scheme->single(cpu, count_run, NULL, true), 0);
		EXPECT_EQ(runs(cpu), 1);
		EXPECT_EQ(all_runs(), 1);
		EXPECT_EQ(scheme->single(cpu, count_run, NULL, false), 0);
		EXPECT(WAIT_UNTIL(runs(cpu) == 2));
		EXPECT_EQ(all_runs(), 2);
		clear_runs();
	}
}

TEST(scheme, runs_once_and_nowhere_else)
{
	with_each(call_each_once);
}

#define MASKS 30

/* Online or not, listed or not, and this CPU, which is not called. */
static void call_masks(const struct call_scheme *scheme)
{
	for (int i = 0; scheme->many && i < MASKS; i++) {
		struct cpumask mask = { 0 }, others = all_others(), where;

		for (unsigned int word = 0; word < CPUMASK_WORDS; word++)
			cpumask_set_word(&mask, word, i ? test_random() : ~0ull);
		others = mask_and(&mask, &others);
		EXPECT_EQ(scheme->many(&mask, count_run, NULL, i % 2), 0);
		if (i % 2 == 0)
			EXPECT(WAIT_UNTIL(all_runs() == cpumask_weight(&others)));
		where = ran_on();
		EXPECT(mask_equal(&where, &others));
		clear_runs();
	}
}

TEST(scheme, many_run_once_on_each_that_is_named)
{
	with_each(call_masks);
}

static uint64_t questions[MAX_CPUS], answers[MAX_CPUS];

static void answer(void *info)
{
	const uint64_t *question = info;

	answers[this_cpu->index] = question[this_cpu->index] * 3 + 1;
}

/* Plain memory, both ways. */
static void ask(const struct call_scheme *scheme)
{
	struct cpumask few = some_others(FEW_CPUS);

	for (uint64_t round = 1; round <= 10; round++) {
		for_each_cpu(cpu, &few)
			questions[cpu] = round * 1000 + cpu;
		if (round % 2 || !scheme->many) {
			for_each_cpu(cpu, &few)
				EXPECT_EQ(scheme->single(cpu, answer, questions, true), 0);
		} else {
			EXPECT_EQ(scheme->many(&few, answer, questions, true), 0);
		}
		for_each_cpu(cpu, &few)
			EXPECT_EQ(answers[cpu], (round * 1000 + cpu) * 3 + 1);
	}
}

TEST(scheme, what_is_written_is_seen)
{
	with_each(ask);
}

/* Only that it says so before it runs anything: which error is a rule of call.h. */
static void call_badly(const struct call_scheme *scheme)
{
	struct cpumask none = { 0 }, self = mask_of(this_cpu->index);

	for (int wait = 0; wait < 2; wait++) {
		EXPECT_EQ(scheme->single(0, NULL, NULL, wait), -EINVAL);
		EXPECT_EQ(scheme->single(nr_cpus, count_run, NULL, wait), -EINVAL);
		EXPECT_EQ(scheme->single(~0u, count_run, NULL, wait), -EINVAL);
		for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
			if (!cpu_online(cpu))
				EXPECT_EQ(scheme->single(cpu, count_run, NULL, wait), -ENXIO);
		}
		if (!scheme->many)
			continue;
		EXPECT_EQ(scheme->many(NULL, count_run, NULL, wait), -EINVAL);
		EXPECT_EQ(scheme->many(&self, NULL, NULL, wait), -EINVAL);
		EXPECT_EQ(scheme->many(&none, count_run, NULL, wait), 0);
		EXPECT_EQ(scheme->many(&self, count_run, NULL, wait), 0);
	}
	EXPECT_EQ(all_runs(), 0);
	EXPECT(!irqs_disabled());
}

TEST(scheme, errors)
{
	with_each(call_badly);
}

static void call_offline(const struct call_scheme *scheme)
{
	unsigned int cpu = other_cpu(1);
	struct cpumask mask = mask_of(cpu);

	cpu_set_online(cpu, false);
	for (int wait = 0; wait < 2; wait++) {
		EXPECT_EQ(scheme->single(cpu, count_run, NULL, wait), -ENXIO);
		if (scheme->many)
			EXPECT_EQ(scheme->many(&mask, count_run, NULL, wait), 0);
	}
	cpu_set_online(cpu, true);
	EXPECT_EQ(all_runs(), 0);
	EXPECT_EQ(scheme->single(cpu, count_run, NULL, true), 0);
	EXPECT_EQ(all_runs(), 1);
}

TEST(scheme, offline_target)
{
	if (!lacks_cpus(2))
		with_each(call_offline);
}

/* In place, wherever it is made. */
static void call_self(const struct call_scheme *scheme)
{
	unsigned int me = this_cpu->index;

	EXPECT_EQ(scheme->single(me, count_run, NULL, true), 0);
	EXPECT(!irqs_disabled());
	irq_disable();
	EXPECT_EQ(scheme->single(me, count_run, NULL, true), 0);
	EXPECT_EQ(scheme->single(me, count_run, NULL, false), 0);
	EXPECT(irqs_disabled());
	irq_enable();
	EXPECT_EQ(runs(me), 3);
}

TEST(scheme, self)
{
	with_each(call_self);
}

static void call_with_irqs_off(const struct call_scheme *scheme)
{
	unsigned int cpu = other_cpu(1);
	struct cpumask mask = mask_of(cpu);
	int unwaited = scheme->anywhere ? 0 : -EDEADLK;

	irq_disable();
	EXPECT_EQ(scheme->single(cpu, count_run, NULL, true), -EDEADLK);
	EXPECT_EQ(scheme->single(cpu, count_run, NULL, false), unwaited);
	if (scheme->many) {
		EXPECT_EQ(scheme->many(&mask, count_run, NULL, true), -EDEADLK);
		EXPECT_EQ(scheme->many(&mask, count_run, NULL, false), unwaited);
	}
	EXPECT(irqs_disabled());
	irq_enable();
	EXPECT_EQ(scheme->single(cpu, count_run, NULL, true), 0);
	EXPECT_EQ(runs(cpu), 1 + (scheme->anywhere ? 1 + (scheme->many != NULL) : 0));
}

/* That it is warned of, once for each place, is the kernel's own scheme's matter. */
TEST(scheme, interrupts_off)
{
	if (lacks_cpus(2))
		return;
	capture_start();
	with_each(call_with_irqs_off);
	capture_end();
}

static struct inside {
	const struct call_scheme *scheme;
	unsigned int to;
	int waited, unwaited;
} inside;

static void call_from_inside(void *info)
{
	struct inside *it = info;

	it->waited = it->scheme->single(it->to, count_run, NULL, true);
	it->unwaited = it->scheme->single(it->to, count_run, NULL, false);
}

/* Back to the caller, which waits, and may have a lock. */
static void call_back(const struct call_scheme *scheme)
{
	inside = (struct inside){ .scheme = scheme, .to = this_cpu->index };
	EXPECT_EQ(scheme->single(other_cpu(1), call_from_inside, &inside, true), 0);
	EXPECT_EQ(inside.waited, -EDEADLK);
	EXPECT_EQ(inside.unwaited, scheme->anywhere ? 0 : -EDEADLK);
	if (scheme->anywhere)
		EXPECT(WAIT_UNTIL(runs(this_cpu->index) == 1));
	EXPECT_EQ(all_runs(), scheme->anywhere);
}

TEST(scheme, inside_a_function)
{
	if (lacks_cpus(2))
		return;
	capture_start();
	with_each(call_back);
	capture_end();
}

#define ORDERED 200

static uintptr_t last_number;
static atomic_uint overtaken;

static void note_number(void *number)
{
	if ((uintptr_t)number != last_number + 1)
		atomic_fetch_add_explicit(&overtaken, 1, memory_order_relaxed);
	last_number = (uintptr_t)number;
}

static void call_in_order(const struct call_scheme *scheme)
{
	unsigned int cpu = other_cpu(1);

	last_number = 0;
	atomic_store(&overtaken, 0);
	for (uintptr_t number = 1; number <= ORDERED;) {
		int error = scheme->single(cpu, note_number, (void *)number, number % 8 == 0);

		number += !error;
		REQUIRE(!error || error == -EAGAIN);
	}
	EXPECT_EQ(scheme->single(cpu, count_run, NULL, true), 0);
	EXPECT_EQ(atomic_load(&overtaken), 0);
	EXPECT_EQ(last_number, ORDERED);
}

TEST(scheme, order_is_kept)
{
	if (!lacks_cpus(2))
		with_each(call_in_order);
}

/*
 * Where there are more CPUs than cores, spinning ones keep from a core the one that could
 * end their wait: then a sender makes as many calls as fit in, and at least some.
 */
#define SENDERS   8
#define CALLS_MIN 2
#define CALLS_MAX 200
#define STORM_NS  30000000ull

static const struct call_scheme *stormy;
static struct cpumask senders;
static atomic_uint storm_errors, storm_called;

static void storm(void *info)
{
	uint64_t state = test_seed() + this_cpu->index, start = clock_ns();

	(void)info;
	for (int i = 0; i < CALLS_MIN || (i < CALLS_MAX && clock_ns() - start < STORM_NS); i++) {
		unsigned int to = (unsigned int)random_below(&state, nr_cpus), called = 1;
		int error;

		if (!cpu_online(to))
			continue;
		if (stormy->many && i % 8 == 0) {
			called = cpumask_weight(&senders) - 1;
			error = stormy->many(&senders, count_run, NULL, true);
		} else {
			error = stormy->single(to, count_run, NULL, true);
		}
		atomic_fetch_add(&storm_errors, error != 0);
		atomic_fetch_add(&storm_called, called);
	}
}

/* Nobody may wait for a CPU that waits for it. */
static void call_all_from_all(const struct call_scheme *scheme)
{
	struct cpumask others = some_others(SENDERS - 1);

	stormy = scheme;
	senders = others;
	cpumask_set(&senders, this_cpu->index);
	atomic_store(&storm_errors, 0);
	atomic_store(&storm_called, 0);
	for_each_cpu(cpu, &others)
		EXPECT_EQ(work_start(cpu, storm, NULL), 0);
	storm(NULL);
	for_each_cpu(cpu, &others)
		work_wait(cpu);
	EXPECT_EQ(atomic_load(&storm_errors), 0);
	EXPECT_EQ(all_runs(), atomic_load(&storm_called));
}

TEST(scheme, all_call_all)
{
	with_each(call_all_from_all);
}

/*
 * The queue between two CPUs: in order, with one IPI for all that wait in it, and nothing
 * lost when everyone calls everyone.
 */
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
#include <stdatomic.h>

#define ORDERED 300
static uint32_t order[ORDERED];
static atomic_uint ordered;

/* One CPU writes. Release: who sees the count sees what was noted. */
static void note_order(void *info)
{
	unsigned int count = atomic_load_explicit(&ordered, memory_order_relaxed);

	order[count] = (uint32_t)(uintptr_t)info;
	atomic_store_explicit(&ordered, count + 1, memory_order_release);
}

/* Rule 3: unwaited calls, as many as the pool allows at once, in order. */
TEST(smp, order_is_kept)
{
	unsigned int cpu = other_cpu(1), sent = 0;

	if (lacks_cpus(2))
		return;
	atomic_store(&ordered, 0);
	while (sent < ORDERED) {
		int error =
			smp_call_function_single(cpu, note_order, (void *)(uintptr_t)sent, false);

		if (!error)
			sent++;
		else
			REQUIRE(error == -EAGAIN);
	}
	REQUIRE(WAIT_UNTIL(atomic_load(&ordered) == ORDERED));
	for (uint32_t i = 0; i < ORDERED; i++)
		EXPECT_EQ(order[i], i);
}

/* Numbers that grow from call to call must grow on every CPU, whoever of the calls brings them. */
static uintptr_t last_number[MAX_CPUS]; /* each CPU's own */
static atomic_uint overtaken;

static void note_number(void *info)
{
	unsigned int me = this_cpu->index;

	if ((uintptr_t)info <= last_number[me])
		atomic_fetch_add_explicit(&overtaken, 1, memory_order_relaxed);
	last_number[me] = (uintptr_t)info;
	count_run(NULL);
}

#define FEW   4
#define MIXED 600

static struct csd own[16];

/* One call of some kind; to whom it goes is set in to. 0, or it was not made. */
static int call_somehow(uintptr_t number, const struct cpumask *few, struct cpumask *to)
{
	unsigned int cpu = other_cpu(1 + (unsigned int)test_random_below(cpumask_weight(few)));
	struct csd *csd = &own[number % 16];

	*to = mask_of(cpu);
	switch (test_random_below(6)) {
	case 0:
		return smp_call_function_single(cpu, note_number, (void *)number, true);
	case 1:
		*to = *few;
		return smp_call_function_many(few, note_number, (void *)number, true);
	case 2:
		*to = *few;
		return smp_call_function_many(few, note_number, (void *)number, false);
	case 3:
		if (atomic_load_explicit(&csd->state, memory_order_acquire) != CSD_FREE)
			return -EBUSY;
		csd->func = note_number;
		csd->info = (void *)number;
		return smp_call_function_single_async(cpu, csd);
	default:
		return smp_call_function_single(cpu, note_number, (void *)number, false);
	}
}

/* Rule 3 across all ways to call. */
TEST(smp, order_is_kept_across_all_kinds_of_calls)
{
	struct cpumask few = some_others(FEW), to;
	static unsigned int made[MAX_CPUS];

	if (lacks_cpus(2))
		return;
	clear_runs();
	atomic_store(&overtaken, 0);
	for_each_cpu(cpu, &few)
		last_number[cpu] = made[cpu] = 0;
	for (uintptr_t number = 1; number <= MIXED; number++) {
		int error = call_somehow(number, &few, &to);

		EXPECT(!error || error == -EAGAIN || error == -EBUSY);
		for_each_cpu(cpu, &to)
			made[cpu] += !error;
	}
	EXPECT_EQ(kick_all_cpus_sync(), 0);
	EXPECT_EQ(atomic_load(&overtaken), 0);
	for_each_cpu(cpu, &few) {
		EXPECT(made[cpu] > 0);
		EXPECT_EQ(runs(cpu), made[cpu]);
	}
}

/* Rule 4: one IPI for a queue that was empty, none for those behind. */
TEST(smp, one_ipi_for_many_calls)
{
	unsigned int cpu = other_cpu(1);
	uint64_t sent;

	if (lacks_cpus(2))
		return;
	clear_runs();
	REQUIRE(hold_cpu(cpu));
	sent = this_cpu->ipi_sent[CALL_FUNCTION_SINGLE_VECTOR];
	for (int i = 0; i < 20; i++)
		EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, false), 0);
	EXPECT_EQ(this_cpu->ipi_sent[CALL_FUNCTION_SINGLE_VECTOR] - sent, 1);
	EXPECT_EQ(runs(cpu), 0);
	release_cpus();
	EXPECT(WAIT_UNTIL(runs(cpu) == 20));
}

/* A waited call behind unwaited ones does not overtake them. */
TEST(smp, waited_calls_wait_their_turn)
{
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	atomic_store(&ordered, 0);
	for (uintptr_t i = 0; i < 10; i++)
		EXPECT_EQ(smp_call_function_single(cpu, note_order, (void *)i, false), 0);
	EXPECT_EQ(smp_call_function_single(cpu, note_order, (void *)10, true), 0);
	EXPECT_EQ(atomic_load(&ordered), 11);
	for (uint32_t i = 0; i < 11; i++)
		EXPECT_EQ(order[i], i);
}

#define STORM_TOTAL 100
static atomic_uint storm_errors;

/* With more CPUs than real cores an emulator is slow at this: fewer for each then. */
static unsigned int storm_calls(void)
{
	return STORM_TOTAL / cpumask_weight(&cpu_online_mask) + 1;
}

static void storm(void *info)
{
	uint64_t state = test_seed() + this_cpu->index;
	unsigned int made = 0;

	(void)info;
	while (made < storm_calls()) {
		unsigned int to = (unsigned int)random_below(&state, nr_cpus);

		if (!cpu_online(to))
			continue;
		if (smp_call_function_single(to, count_run, NULL, true))
			atomic_fetch_add(&storm_errors, 1);
		made++;
	}
}

/* Everyone calls everyone and waits: nobody may wait for a CPU that waits for it. */
TEST(smp, all_call_all)
{
	clear_runs();
	atomic_store(&storm_errors, 0);
	for_each_cpu(cpu, &cpu_online_mask) {
		if (cpu != this_cpu->index)
			EXPECT_EQ(work_start(cpu, storm, NULL), 0);
	}
	storm(NULL);
	for_each_cpu(cpu, &cpu_online_mask)
		work_wait(cpu);
	EXPECT_EQ(atomic_load(&storm_errors), 0);
	EXPECT_EQ(all_runs(), storm_calls() * cpumask_weight(&cpu_online_mask));
}

TEST(smp, counters)
{
	unsigned int cpu = other_cpu(1);
	uint64_t sent, got, run;

	if (lacks_cpus(2))
		return;
	sent = this_cpu->ipi_sent[CALL_FUNCTION_SINGLE_VECTOR];
	got = cpus[cpu]->irq_count[CALL_FUNCTION_SINGLE_VECTOR];
	run = cpus[cpu]->calls_run;
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), 0);
	EXPECT_EQ(this_cpu->ipi_sent[CALL_FUNCTION_SINGLE_VECTOR] - sent, 10);
	EXPECT_EQ(cpus[cpu]->irq_count[CALL_FUNCTION_SINGLE_VECTOR] - got, 10);
	EXPECT_EQ(cpus[cpu]->calls_run - run, 10);
	EXPECT(llist_empty(&cpus[cpu]->call_single_queue));
}

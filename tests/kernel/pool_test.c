/*
 * The descriptors of unwaited calls: when they are free again, what happens when there
 * are none left, and what becomes of a waited one whose CPU was stopped.
 */
#include "hold.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/queue.h>
#include <kernel/sched/work.h>
#include <lib/errno.h>

#define FEW 4 /* held at once */

static unsigned int pool_in_use(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < this_cpu->csd_count; i++)
		count += !csd_is_free(&this_cpu->csd_pool[i]);
	return count;
}

/* The pool runs dry while the target is held; what was accepted runs, no more. */
TEST(smp, pool_runs_dry)
{
	unsigned int cpu = other_cpu(1), accepted = 0, limit;
	int error = 0;

	if (lacks_cpus(2))
		return;
	clear_runs();
	limit = this_cpu->csd_count + 1;
	REQUIRE(hold_cpu(cpu));
	while (accepted <= limit &&
	       !(error = smp_call_function_single(cpu, count_run, NULL, false)))
		accepted++;
	EXPECT_EQ(error, -EAGAIN);
	EXPECT(accepted >= nr_cpus && accepted <= this_cpu->csd_count);
	release_cpus();
	EXPECT(WAIT_UNTIL(runs(cpu) == accepted));
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), 0);
	EXPECT_EQ(runs(cpu), accepted + 1);
}

/* Before the function's first instruction: a function that does not end holds none. */
TEST(pool, free_before_the_function)
{
	struct cpumask few = some_others(FEW);

	if (lacks_cpus(2))
		return;
	REQUIRE(hold_cpus(&few));
	EXPECT_EQ(pool_in_use(), 0);
	release_cpus();
}

/* What was refused is in no queue, and took nothing of the pool. */
static void expect_refused(int error, unsigned int in_use)
{
	EXPECT_EQ(error, -EAGAIN);
	EXPECT_EQ(pool_in_use(), in_use);
}

/*
 * A call to many takes all that it needs or nothing. With interrupts off it says so at
 * once, else after it waited.
 */
TEST(pool, all_or_nothing)
{
	struct cpumask few = some_others(FEW);
	unsigned int first = other_cpu(1), second = other_cpu(2), in_use = 0;
	uint64_t start, exhausted = this_cpu->csd_exhausted;

	if (lacks_cpus(3))
		return;
	clear_runs();
	REQUIRE(hold_cpus(&few));
	irq_disable();
	while (this_cpu->csd_count - in_use > 1) {
		EXPECT_EQ(smp_call_function_single(first, count_run, NULL, false), 0);
		in_use++;
	}
	expect_refused(smp_call_function_many(&few, count_run, NULL, false), in_use);
	expect_refused(on_each_cpu_mask(&few, count_run, NULL, false), in_use);
	EXPECT(irqs_disabled());
	irq_enable();
	start = clock_ns();
	expect_refused(smp_call_function_many(&few, count_run, NULL, false), in_use);
	EXPECT(clock_ns() - start >= POOL_WAIT_NS);
	EXPECT_EQ(this_cpu->csd_exhausted - exhausted, 3);
	EXPECT_EQ(smp_call_function_single(second, count_run, NULL, false), 0);
	release_cpus();
	EXPECT_EQ(kick_all_cpus_sync(), 0);
	EXPECT_EQ(runs(first), in_use);
	EXPECT_EQ(runs(second), 1);
	EXPECT_EQ(all_runs(), in_use + 1);
	EXPECT_EQ(pool_in_use(), 0);
}

static bool is_in_use(unsigned int count)
{
	return pool_in_use() == count;
}

/*
 * Each of these calls leaves one descriptor with the CPU that is held, so that soon there are
 * nowhere as many in a row as a call needs; but there are enough.
 */
TEST(pool, one_deaf_cpu_refuses_nobody)
{
	unsigned int held = other_cpu(1), others = cpumask_weight(&cpu_online_mask) - 1;
	uint64_t exhausted = this_cpu->csd_exhausted;
	unsigned int calls;

	if (lacks_cpus(3))
		return;
	calls = this_cpu->csd_count / others + 2;
	clear_runs();
	REQUIRE(hold_cpu(held));
	for (unsigned int made = 1; made <= calls; made++) {
		int error = made % 2 ? smp_call_function(count_run, NULL, false) :
				       on_each_cpu(count_run, NULL, false);

		EXPECT_EQ(error, 0);
		if (error || !WAIT_UNTIL(is_in_use(made)))
			break;
	}
	EXPECT_EQ(pool_in_use(), calls);
	EXPECT_EQ(runs(held), 0);
	release_cpus();
	EXPECT_EQ(kick_all_cpus_sync(), 0);
	for_each_cpu(cpu, &cpu_online_mask)
		EXPECT_EQ(runs(cpu), cpu == this_cpu->index ? calls / 2 : calls);
	EXPECT_EQ(this_cpu->csd_exhausted, exhausted);
	EXPECT(is_in_use(0));
}

static int refused_inside, refused_outside;

static void call_with_a_dry_pool(void *to)
{
	refused_inside = smp_call_function_single(*(unsigned int *)to, count_run, NULL, false);
}

/* A handler that finds its CPU's pool dry hears of it; the pool serves again afterwards. */
TEST(pool, dry_for_a_single_call)
{
	unsigned int cpu = other_cpu(1), in_use = 0;

	if (lacks_cpus(2))
		return;
	clear_runs();
	REQUIRE(hold_cpu(cpu));
	irq_disable();
	while (!(refused_outside = smp_call_function_single(cpu, count_run, NULL, false)))
		in_use++;
	EXPECT_EQ(smp_call_function_single(this_cpu->index, call_with_a_dry_pool, &cpu, true), 0);
	irq_enable();
	EXPECT_EQ(refused_outside, -EAGAIN);
	EXPECT_EQ(refused_inside, -EAGAIN);
	EXPECT_EQ(in_use, this_cpu->csd_count);
	EXPECT_EQ(smp_call_function_single(this_cpu->index, count_run, NULL, false), 0);
	release_cpus();
	EXPECT_EQ(smp_call_function_single(cpu, count_run, NULL, true), 0);
	EXPECT_EQ(runs(cpu), in_use + 1);
	EXPECT_EQ(pool_in_use(), 0);
}

static struct waiter {
	unsigned int target;
	int error;
} waiter;

static void call_and_wait(void *info)
{
	struct waiter *it = info;

	it->error = smp_call_function_single(it->target, count_run, NULL, true);
}

/* A second CPU waits for the first, which is declared stopped before it comes to the call. */
TEST(stopped, cancels_who_waits)
{
	unsigned int target = other_cpu(1), by = other_cpu(2);
	uint64_t cancelled;

	if (lacks_cpus(3))
		return;
	clear_runs();
	waiter = (struct waiter){ .target = target, .error = 1 };
	REQUIRE(hold_cpu(target));
	EXPECT_EQ(work_start(by, call_and_wait, &waiter), 0);
	EXPECT(WAIT_UNTIL(!llist_empty(&cpus[target]->call_single_queue)));
	atomic_store(&cpus[target]->stopped, true);
	work_wait(by);
	EXPECT_EQ(waiter.error, -ETIMEDOUT);
	EXPECT(llist_empty(&cpus[target]->call_single_queue));
	EXPECT(csd_is_free(cpus[by]->csd_wait));
	cancelled = cpus[by]->calls_cancelled;
	cpu_set_online(target, false);
	EXPECT_EQ(work_run(by, call_and_wait, &waiter), 0);
	EXPECT_EQ(waiter.error, -ENXIO);
	EXPECT_EQ(cpus[by]->calls_cancelled, cancelled);
	cpu_set_online(target, true);
	atomic_store(&cpus[target]->stopped, false);
	release_cpus();
	EXPECT_EQ(smp_call_function_single(target, count_run, NULL, true), 0);
	EXPECT_EQ(all_runs(), 1);
	EXPECT_EQ(work_run(by, call_and_wait, &waiter), 0);
	EXPECT_EQ(waiter.error, 0);
	EXPECT_EQ(runs(target), 2);
}

/*
 * Calls with the caller's own descriptor: it is in flight from the call until the
 * function's first instruction, and whose it is at any other time.
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
#include <lib/errno.h>

TEST(own, errors)
{
	struct csd csd = { .func = NULL };

	clear_runs();
	EXPECT_EQ(smp_call_function_single_async(this_cpu->index, NULL), -EINVAL);
	EXPECT_EQ(smp_call_function_single_async(this_cpu->index, &csd), -EINVAL);
	csd.func = count_run;
	EXPECT_EQ(smp_call_function_single_async(nr_cpus, &csd), -EINVAL);
	EXPECT_EQ(smp_call_function_single_async(~0u, &csd), -EINVAL);
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		if (!cpu_online(cpu))
			EXPECT_EQ(smp_call_function_single_async(cpu, &csd), -ENXIO);
	}
	EXPECT(csd_is_free(&csd) && !irqs_disabled());
	EXPECT_EQ(all_runs(), 0);
}

TEST(own, offline_target)
{
	static struct csd csd = { .func = count_run };
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	clear_runs();
	cpu_set_online(cpu, false);
	EXPECT_EQ(smp_call_function_single_async(cpu, &csd), -ENXIO);
	EXPECT(csd_is_free(&csd) && llist_empty(&cpus[cpu]->call_single_queue));
	cpu_set_online(cpu, true);
	EXPECT_EQ(smp_call_function_single_async(cpu, &csd), 0);
	EXPECT(WAIT_UNTIL(runs(cpu) == 1));
	EXPECT_EQ(all_runs(), 1);
}

/* In place: it is over when the call returns, and the descriptor was never in flight. */
TEST(own, self)
{
	struct csd csd = { .func = count_run };

	clear_runs();
	EXPECT_EQ(smp_call_function_single_async(this_cpu->index, &csd), 0);
	EXPECT_EQ(runs(this_cpu->index), 1);
	EXPECT(csd_is_free(&csd) && !irqs_disabled());
	irq_disable();
	EXPECT_EQ(smp_call_function_single_async(this_cpu->index, &csd), 0);
	EXPECT(irqs_disabled());
	irq_enable();
	EXPECT_EQ(all_runs(), 2);
}

/* Taken twice, it is in two queues, and no drain of them need end: then this goes no further. */
TEST(own, busy_while_in_flight)
{
	static struct csd csd = { .func = count_run };
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	clear_runs();
	REQUIRE(hold_cpu(cpu));
	EXPECT_EQ(smp_call_function_single_async(cpu, &csd), 0);
	for_each_cpu(to, &cpu_online_mask) {
		if (to != this_cpu->index)
			REQUIRE(smp_call_function_single_async(to, &csd) == -EBUSY);
	}
	irq_disable();
	EXPECT_EQ(smp_call_function_single_async(cpu, &csd), -EBUSY);
	EXPECT(irqs_disabled());
	irq_enable();
	EXPECT_EQ(smp_call_function_single_async(nr_cpus, &csd), -EINVAL);
	EXPECT_EQ(all_runs(), 0);
	release_cpus();
	EXPECT(WAIT_UNTIL(runs(cpu) == 1));
	EXPECT_EQ(smp_call_function_single_async(cpu, &csd), 0);
	EXPECT(WAIT_UNTIL(runs(cpu) == 2));
	EXPECT_EQ(all_runs(), 2);
}

static struct ball {
	struct csd csd;
	unsigned int here, there, left;
	int error;
} ball;

/* There and back between two CPUs, always with the one descriptor. */
static void pass_on(void *info)
{
	struct ball *it = info;
	int error;

	count_run(NULL);
	if (!it->left)
		return;
	it->left--;
	error = smp_call_function_single_async(this_cpu->index == it->here ? it->there : it->here,
					       &it->csd);
	if (error)
		it->error = error;
}

TEST(own, armed_again_by_its_function)
{
	unsigned int here = this_cpu->index, there = other_cpu(1);

	if (lacks_cpus(2))
		return;
	clear_runs();
	ball = (struct ball){ .csd = { .func = pass_on, .info = &ball },
			      .here = here,
			      .there = there,
			      .left = 999 };
	EXPECT_EQ(smp_call_function_single_async(there, &ball.csd), 0);
	EXPECT(WAIT_UNTIL(all_runs() == 1000));
	EXPECT_EQ(smp_call_function_single(there, count_run, NULL, true), 0);
	EXPECT_EQ(ball.error, 0);
	EXPECT_EQ(runs(here), 500);
	EXPECT_EQ(runs(there), 501);
}

static struct csd behind = { .func = count_run };
static int error_inside;

static void send_behind(void *to)
{
	error_inside = smp_call_function_single_async(*(unsigned int *)to, &behind);
}

/* It waits for nothing, so it may be made where interrupts are off. */
TEST(own, inside_a_function_and_with_interrupts_off)
{
	unsigned int here = this_cpu->index, cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	clear_runs();
	EXPECT_EQ(smp_call_function_single(cpu, send_behind, &here, true), 0);
	EXPECT_EQ(error_inside, 0);
	EXPECT(WAIT_UNTIL(runs(here) == 1));
	irq_disable();
	EXPECT_EQ(smp_call_function_single_async(cpu, &behind), 0);
	EXPECT(irqs_disabled());
	irq_enable();
	EXPECT(WAIT_UNTIL(runs(cpu) == 1));
	EXPECT_EQ(all_runs(), 2);
}

static unsigned int depth;
static int deepest_error;

static void call_self_again(void *info)
{
	struct csd csd = { .func = call_self_again, .info = info };
	int error;

	depth++;
	error = smp_call_function_single_async(this_cpu->index, &csd);
	if (error)
		deepest_error = error;
}

TEST(own, self_call_without_end)
{
	depth = 0;
	deepest_error = 0;
	EXPECT_EQ(smp_call_function_single(this_cpu->index, call_self_again, NULL, true), 0);
	EXPECT_EQ(depth, SELF_CALL_DEPTH);
	EXPECT_EQ(deepest_error, -ELOOP);
	EXPECT_EQ(this_cpu->self_calls, 0);
	EXPECT(!irqs_disabled());
}

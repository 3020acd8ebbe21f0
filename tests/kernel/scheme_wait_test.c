/*
 * What a scheme of calls does while it waits, whose the vector is, and what a CPU that is
 * stopped leaves behind.
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
#include <kernel/time/tick.h>
#include <lib/errno.h>
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

#define ROUNDS 4

/* Two that call the third by a scheme; whoever comes second may have to wait for the first. */
static struct visit {
	const struct call_scheme *scheme;
	unsigned int first, second, third;
	atomic_uint inside, served;
	atomic_bool second_calls, first_returned;
	int error;
} visit;

static void serve(void *unused)
{
	(void)unused;
	atomic_fetch_add(&visit.served, 1);
}

/*
 * On the third CPU, interrupts off: the two that wait for it must answer. In answering
 * the first gets on, so that it would return by now if it did not wait for the end.
 */
static void need_the_callers(void *unused)
{
	(void)unused;
	if (atomic_fetch_add(&visit.inside, 1))
		return;
	EXPECT(WAIT_UNTIL(atomic_load(&visit.second_calls)));
	for (unsigned int i = 1; i <= ROUNDS; i++) {
		EXPECT_EQ(smp_call_function_single(visit.first, serve, NULL, false), 0);
		EXPECT_EQ(smp_call_function_single(visit.second, serve, NULL, false), 0);
		if (!WAIT_UNTIL(atomic_load(&visit.served) == 2 * i)) {
			EXPECT(!"whoever waits serves others");
			return;
		}
	}
	EXPECT(!atomic_load(&visit.first_returned));
}

static void call_third_too(void *unused)
{
	(void)unused;
	EXPECT(WAIT_UNTIL(atomic_load(&visit.inside)));
	atomic_store(&visit.second_calls, true);
	visit.error = visit.scheme->single(visit.third, need_the_callers, NULL, true);
}

static void visit_third(const struct call_scheme *scheme, bool by_many)
{
	struct cpumask third = mask_of(visit.third);

	visit.error = 1;
	atomic_store(&visit.inside, 0);
	atomic_store(&visit.served, 0);
	atomic_store(&visit.second_calls, false);
	atomic_store(&visit.first_returned, false);
	EXPECT_EQ(work_start(visit.second, call_third_too, NULL), 0);
	if (by_many)
		EXPECT_EQ(scheme->many(&third, need_the_callers, NULL, true), 0);
	else
		EXPECT_EQ(scheme->single(visit.third, need_the_callers, NULL, true), 0);
	atomic_store(&visit.first_returned, true);
	work_wait(visit.second);
	EXPECT_EQ(visit.error, 0);
	EXPECT_EQ(atomic_load(&visit.inside), 2);
	EXPECT_EQ(atomic_load(&visit.served), 2 * ROUNDS);
}

static void wait_and_serve(const struct call_scheme *scheme)
{
	visit.scheme = scheme;
	visit.first = this_cpu->index;
	visit.second = other_cpu(1);
	visit.third = other_cpu(2);
	visit_third(scheme, false);
	if (scheme->many)
		visit_third(scheme, true);
}

/* Rule 7: nobody spins with interrupts off for a CPU that may need them. */
TEST(scheme, who_waits_serves_others)
{
	if (!lacks_cpus(3))
		with_each(wait_and_serve);
}

static struct cancelled {
	const struct call_scheme *scheme;
	unsigned int target;
	int error;
} cancelled;

static void call_and_wait(void *info)
{
	struct cancelled *it = info;

	it->error = it->scheme->single(it->target, count_run, NULL, true);
}

/*
 * The target is in a function, and is then said to be stopped. With one lock for all, that
 * was the last call: of who may still look at what the lock guards nothing is known.
 */
static void stop_the_target(const struct call_scheme *scheme)
{
	unsigned int target = other_cpu(1), by = other_cpu(2);
	bool late = !scheme->anywhere; /* its IPI is taken, in this test, when all is over */

	cancelled = (struct cancelled){ .scheme = scheme, .target = target };
	REQUIRE(hold_cpu(target));
	EXPECT_EQ(work_start(by, call_and_wait, &cancelled), 0);
	if (!late)
		EXPECT(WAIT_UNTIL(!llist_empty(&cpus[target]->call_single_queue)));
	atomic_store(&cpus[target]->stopped, true);
	work_wait(by);
	EXPECT_EQ(cancelled.error, -ETIMEDOUT);
	EXPECT_EQ(scheme->single(by, count_run, NULL, true), late ? -ENXIO : 0);
	EXPECT_EQ(runs(by), !late);
	atomic_store(&cpus[target]->stopped, false);
	release_cpus();
	EXPECT_EQ(smp_call_function_single(target, count_run, NULL, true), 0);
	EXPECT(WAIT_UNTIL(runs(target) == 1u + late));
}

TEST(scheme, stopped_target_ends_the_wait)
{
	if (!lacks_cpus(3))
		with_each(stop_the_target);
}

static void ignore(void) {}

/* One at a time has it, and gives it back. */
TEST(scheme, vector_is_lent)
{
	EXPECT_EQ(call_scheme_use(&table_scheme), 0);
	EXPECT_EQ(irq_register(EXAMPLE_VECTOR, ignore), -EBUSY);
	EXPECT_EQ(call_scheme_use(&mailbox_scheme), 0);
	EXPECT_EQ(call_scheme_use(&queue_scheme), 0);
	EXPECT_EQ(irq_register(EXAMPLE_VECTOR, ignore), 0);
	EXPECT_EQ(call_scheme_use(&message_scheme), -EBUSY);
	EXPECT_EQ(irq_register(EXAMPLE_VECTOR, NULL), 0);
	EXPECT_EQ(call_scheme_use(NULL), 0);
}

struct interrupts {
	uint64_t taken, reschedules;
};

static void read_interrupts(void *info)
{
	struct interrupts *now = info;

	now->taken = this_cpu->irq_count[EXAMPLE_VECTOR];
	now->reschedules = this_cpu->irq_count[RESCHEDULE_VECTOR];
}

/* Different messages, and equal ones, that a CPU finds together: one interrupt for all. */
TEST(scheme, messages_share_one_interrupt)
{
	unsigned int cpu = other_cpu(1);
	struct interrupts before, after;
	uint64_t sent;

	if (lacks_cpus(2))
		return;
	tick_suspend(); /* or the stall watch would make good what is forgotten */
	clear_runs();
	EXPECT_EQ(call_scheme_use(&message_scheme), 0);
	EXPECT_EQ(smp_call_function_single(cpu, read_interrupts, &before, true), 0);
	sent = this_cpu->ipi_sent[EXAMPLE_VECTOR];
	REQUIRE(hold_cpu(cpu));
	irq_disable();
	message_pass(cpu, MESSAGE_RESCHEDULE);
	message_pass(cpu, MESSAGE_RESCHEDULE);
	EXPECT_EQ(message_scheme.single(cpu, count_run, NULL, false), 0);
	EXPECT_EQ(message_scheme.single(cpu, count_run, NULL, false), 0);
	irq_enable();
	EXPECT_EQ(this_cpu->ipi_sent[EXAMPLE_VECTOR] - sent, 1);
	EXPECT_EQ(all_runs(), 0);
	release_cpus();
	EXPECT(WAIT_UNTIL(runs(cpu) == 2));
	EXPECT_EQ(call_scheme_use(NULL), 0);
	EXPECT_EQ(smp_call_function_single(cpu, read_interrupts, &after, true), 0);
	tick_resume();
	EXPECT_EQ(after.taken - before.taken, 1);
	EXPECT_EQ(after.reschedules - before.reschedules, 1);
}

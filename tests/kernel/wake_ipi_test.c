/*
 * Waking, and whether RESCHEDULE is sent for it: when it is needed, and only then. What a CPU
 * says of itself is looked at while it is held in a function, interrupts off: it stays so.
 */
#include "hold.h"
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/fault.h>

static bool is_idle(unsigned int cpu)
{
	return *(struct thread *volatile *)&cpus[cpu]->current == cpus[cpu]->idle;
}

static uint32_t above(unsigned int cpu)
{
	return atomic_load_explicit(&cpus[cpu]->wake_above, memory_order_acquire);
}

/* In its idle loop, and others know how it is to be woken. */
static bool waits_idle(unsigned int cpu)
{
	return is_idle(cpu) && above(cpu) == (polls() ? WAKE_POLLS : 0);
}

static bool runs_fair_threads(unsigned int cpu)
{
	return above(cpu) == PRIORITY_FAIR;
}

static bool runs_rt_3(unsigned int cpu)
{
	return above(cpu) == PRIORITY_FAIR + 3;
}

/* In the function the CPU is found as it was when it was interrupted: polling, or not. */
static bool hold_when(bool (*condition)(unsigned int cpu), unsigned int cpu)
{
	return WAIT_UNTIL(hold_cpu(cpu) && (condition(cpu) || (release_cpus(), false)));
}

static int count_wakes(void *arg)
{
	atomic_uint *count = arg;

	do {
		thread_prepare_to_block();
		thread_block();
		atomic_fetch_add(count, 1);
	} while (atomic_load(count) < 3);
	return 0;
}

/* An idle CPU that halts is sent one RESCHEDULE for each wake-up; one that polls, none. */
TEST(wake, idle_cpu)
{
	unsigned int cpu = other_cpu(1);
	atomic_uint count = 0;
	struct thread *thread;

	if (lacks_cpus(2))
		return;
	thread = run_on(cpu, count_wakes, &count);
	for (unsigned int i = 1; thread && i <= 3; i++) {
		uint64_t sent, wakes;

		REQUIRE(has_blocked(thread) && hold_when(waits_idle, cpu));
		preempt_disable();
		sent = this_cpu->ipi_sent[RESCHEDULE_VECTOR];
		wakes = this_cpu->wakes[polls() ? WAKE_POLLED : WAKE_IPI];
		EXPECT_EQ(thread_wake(thread), 1);
		EXPECT_EQ(this_cpu->ipi_sent[RESCHEDULE_VECTOR] - sent, !polls());
		EXPECT_EQ(this_cpu->wakes[polls() ? WAKE_POLLED : WAKE_IPI] - wakes, 1);
		preempt_enable();
		release_cpus();
		EXPECT(WAIT_UNTIL(atomic_load(&count) == i));
	}
	join(thread);
}

#define SLEEPERS 20

static unsigned int order[SLEEPERS];
static atomic_uint ordered;

static int note_order(void *number)
{
	thread_prepare_to_block();
	thread_block();
	order[atomic_fetch_add(&ordered, 1)] = *(unsigned int *)number;
	return 0;
}

/*
 * One IPI for all that are woken before it is taken. They begin in the order of waking; which
 * of them comes to its note first also depends on where a tick ends a slice.
 */
TEST(wake, many_by_one_ipi)
{
	unsigned int cpu = other_cpu(1), numbers[SLEEPERS], seen = 0;
	struct thread *threads[SLEEPERS];
	uint64_t ipis, others;

	if (lacks_cpus(2))
		return;
	atomic_store(&ordered, 0);
	for (unsigned int i = 0; i < SLEEPERS; i++) {
		numbers[i] = i;
		threads[i] = run_on(cpu, note_order, &numbers[i]);
		REQUIRE(threads[i] && has_blocked(threads[i]));
	}
	REQUIRE(hold_when(waits_idle, cpu));
	preempt_disable();
	ipis = this_cpu->wakes[WAKE_IPI];
	others = this_cpu->wakes[polls() ? WAKE_POLLED : WAKE_ON_ITS_WAY];
	for (unsigned int i = 0; i < SLEEPERS; i++)
		EXPECT_EQ(thread_wake(threads[i]), 1);
	EXPECT_EQ(this_cpu->wakes[WAKE_IPI] - ipis, !polls());
	EXPECT_EQ(this_cpu->wakes[polls() ? WAKE_POLLED : WAKE_ON_ITS_WAY] - others,
		  SLEEPERS - !polls());
	preempt_enable();
	EXPECT_EQ(atomic_load(&ordered), 0);
	release_cpus();
	for (unsigned int i = 0; i < SLEEPERS; i++)
		join(threads[i]);
	EXPECT_EQ(atomic_load(&ordered), SLEEPERS);
	for (unsigned int i = 0; i < SLEEPERS; i++)
		seen |= 1u << order[i];
	EXPECT_EQ(seen, (1u << SLEEPERS) - 1);
}

/* Threads that take turns need no IPI for one more; a real-time thread does. */
TEST(wake, fair_among_fair_can_wait)
{
	unsigned int cpu = other_cpu(1);
	struct thread *first, *second, *third;
	atomic_uint count = 0;
	atomic_bool go = false;
	uint64_t can_wait;

	if (lacks_cpus(2) || lacks_slices())
		return;
	third = run_on(cpu, count_wakes, &count);
	REQUIRE(third && has_blocked(third));
	first = run_on(cpu, spin_until, &go);
	second = run_on(cpu, spin_until, &go);
	REQUIRE(hold_when(runs_fair_threads, cpu));
	preempt_disable();
	can_wait = this_cpu->wakes[WAKE_CAN_WAIT];
	EXPECT_EQ(thread_wake(third), 1);
	EXPECT_EQ(this_cpu->wakes[WAKE_CAN_WAIT] - can_wait, 1);
	preempt_enable();
	release_cpus();
	EXPECT(WAIT_UNTIL(atomic_load(&count) == 1));
	atomic_store(&go, true);
	join(first);
	join(second);
	for (unsigned int i = 2; i <= 3; i++) {
		EXPECT(has_blocked(third));
		EXPECT_EQ(thread_wake(third), 1);
		EXPECT(WAIT_UNTIL(atomic_load(&count) == i));
	}
	join(third);
}

/* A spinner that is alone has no tick: it must be interrupted even for its equals. */
TEST(wake, fair_behind_a_lone_spinner)
{
	unsigned int cpu = other_cpu(1);
	struct thread *spinner, *other;
	atomic_uint count = 0;
	atomic_bool go = false;

	if (lacks_cpus(2) || lacks_slices())
		return;
	spinner = run_on(cpu, spin_until, &go);
	EXPECT(WAIT_UNTIL(*(struct thread *volatile *)&cpus[cpu]->current == spinner &&
			  !*(volatile uint64_t *)&cpus[cpu]->tick.slice_at));
	other = run_on(cpu, add_one, &count);
	EXPECT(WAIT_UNTIL(atomic_load(&count) == 1));
	atomic_store(&go, true);
	join(spinner);
	join(other);
}

/* Equals of the real-time class do not interrupt each other, and nobody is forgotten. */
TEST(wake, equal_can_wait_until_the_other_ends)
{
	unsigned int cpu = other_cpu(1);
	struct thread *first, *equal, *fair;
	atomic_uint count = 0;
	atomic_bool go = false;
	uint64_t can_wait;

	if (lacks_cpus(2))
		return;
	first = make_rt(cpu, 3, spin_until, &go);
	equal = make_rt(cpu, 3, add_one, &count);
	REQUIRE(first && equal);
	thread_wake(first);
	REQUIRE(hold_when(runs_rt_3, cpu));
	preempt_disable();
	can_wait = this_cpu->wakes[WAKE_CAN_WAIT];
	thread_wake(equal);
	fair = run_on(cpu, add_one, &count);
	EXPECT_EQ(this_cpu->wakes[WAKE_CAN_WAIT] - can_wait, 2);
	preempt_enable();
	release_cpus();
	EXPECT_EQ(atomic_load(&count), 0);
	atomic_store(&go, true);
	join(first);
	REQUIRE(!join(equal)); /* if it is lost the other one is, too */
	join(fair);
	EXPECT_EQ(atomic_load(&count), 2);
}

static bool all_wait_idle(const struct cpumask *mask)
{
	for_each_cpu(cpu, mask) {
		if (!waits_idle(cpu))
			return false;
	}
	return true;
}

#define MOST_HELD 8 /* that spin */

/* None that polls is sent an IPI. */
TEST(wake, all_idle_cpus_that_poll)
{
	struct cpumask others = some_others(MOST_HELD);
	uint64_t polled;

	if (lacks_cpus(2))
		return;
	if (!polls() || nr_cpus > MOST_HELD) {
		test_skip("needs a few CPUs, all of which poll");
		return;
	}
	REQUIRE(WAIT_UNTIL(hold_cpus(&others) &&
			   (all_wait_idle(&others) || (release_cpus(), false))));
	polled = this_cpu->nudges[NUDGE_POLLED];
	EXPECT_EQ(wake_up_all_idle_cpus(), 0);
	EXPECT_EQ(this_cpu->nudges[NUDGE_POLLED] - polled, cpumask_weight(&others));
	for_each_cpu(cpu, &others)
		EXPECT(atomic_load(&cpus[cpu]->poked));
	release_cpus();
}

/* Every idle CPU leaves its idle state once. */
TEST(wake, all_idle_cpus)
{
	static uint64_t before[MAX_CPUS];
	struct cpumask others = all_others();

	for_each_cpu(cpu, &others) {
		EXPECT(WAIT_UNTIL(waits_idle(cpu)));
		before[cpu] = *(volatile uint64_t *)&cpus[cpu]->idle_rounds;
	}
	EXPECT(wake_up_all_idle_cpus() <= cpumask_weight(&others));
	for_each_cpu(cpu, &others)
		EXPECT(WAIT_UNTIL(*(volatile uint64_t *)&cpus[cpu]->idle_rounds != before[cpu]));
}

/* What this CPU counts of RESCHEDULE. */
struct reasons {
	uint64_t sent, here, woke, self, idle;
};

static struct reasons reasons_since(const struct reasons *before)
{
	return (struct reasons){
		.sent = this_cpu->ipi_sent[RESCHEDULE_VECTOR] - before->sent,
		.here = this_cpu->wakes[WAKE_HERE] - before->here,
		.woke = this_cpu->wakes[WAKE_IPI] - before->woke,
		.self = this_cpu->nudges[NUDGE_SELF] - before->self,
		.idle = this_cpu->nudges[NUDGE_IDLE] - before->idle,
	};
}

static void wake_with_interrupts_off(struct thread *thread)
{
	irq_disable();
	EXPECT_EQ(thread_wake(thread), 1);
	irq_enable();
}

/* As long as nobody asks for it without a reason, the reasons are all that was sent. */
TEST(wake, each_reschedule_has_its_reason)
{
	struct thread *here[2], *there = NULL;
	struct reasons before, after;
	unsigned int kicked = 0;
	atomic_uint count = 0;

	for (int i = 0; i < 2; i++) {
		here[i] = make_rt(this_cpu->index, 1, add_one, &count);
		REQUIRE(here[i]);
	}
	if (other_cpu(1) < MAX_CPUS) {
		there = make_rt(other_cpu(1), 1, add_one, &count);
		REQUIRE(WAIT_UNTIL(waits_idle(other_cpu(1))));
		kicked = 1;
	}
	tick_suspend();
	before = reasons_since(&(struct reasons){ 0 });
	EXPECT_EQ(thread_wake(here[0]), 1);
	after = reasons_since(&before);
	EXPECT(after.here == 1 && !after.sent);
	wake_with_interrupts_off(here[1]);
	EXPECT(WAIT_UNTIL(atomic_load(&count) == 2));
	after = reasons_since(&before);
	EXPECT(after.here == 2 && after.self == 1);
	if (kicked) {
		kicked = wake_up_all_idle_cpus();
		thread_wake(there);
	}
	after = reasons_since(&before);
	tick_resume();
	EXPECT_EQ(after.idle, kicked);
	EXPECT_EQ(after.sent, after.woke + after.self + after.idle);
	join(here[0]);
	join(here[1]);
	if (there)
		join(there);
}

/* One to oneself that was lost does not keep the next from being sent. */
TEST(wake, reschedule_to_itself_that_is_lost)
{
	uint64_t lost = fault_count(FAULT_DROP), sent;
	struct thread *first, *second;
	atomic_uint count = 0;

	first = make_rt(this_cpu->index, 1, add_one, &count);
	second = make_rt(this_cpu->index, 1, add_one, &count);
	REQUIRE(first && second);
	tick_suspend();
	sent = this_cpu->nudges[NUDGE_SELF];
	EXPECT_EQ(fault_set(FAULT_DROP, RESCHEDULE_VECTOR, 1000), 0);
	wake_with_interrupts_off(first);
	EXPECT(WAIT_UNTIL(fault_count(FAULT_DROP) != lost));
	fault_set(FAULT_DROP, RESCHEDULE_VECTOR, 0);
	thread_yield(); /* if it was not left on the way out of what was lost */
	EXPECT_EQ(atomic_load(&count), 1);
	wake_with_interrupts_off(second);
	EXPECT(WAIT_UNTIL(atomic_load(&count) == 2));
	EXPECT_EQ(this_cpu->nudges[NUDGE_SELF] - sent, 2);
	tick_resume();
	join(first);
	join(second);
}

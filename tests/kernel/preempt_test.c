/*
 * When a thread is left for another, and when it is not.
 */
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/sched/completion.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/irq_work.h>
#include <kernel/smp/reschedule.h>
#include <lib/errno.h>

static uint32_t seen_count;

static void note_count(struct irq_work *work)
{
	(void)work;
	seen_count = preempt_count();
}

static bool note_count_in_nmi(struct pt_regs *regs)
{
	(void)regs;
	seen_count = preempt_count();
	return true;
}

TEST(preempt, what_is_counted_where)
{
	struct irq_work work = { .func = note_count };
	trap_hook *before = trap_set_hook(TRAP_NMI, note_count_in_nmi);

	EXPECT_EQ(preempt_count(), 0);
	EXPECT(!in_interrupt() && !in_hardirq() && !in_softirq() && !in_nmi());
	preempt_disable();
	preempt_disable();
	EXPECT_EQ(preempt_count(), 2 * PREEMPT_OFFSET);
	irq_work_queue(&work);
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&work)));
	EXPECT_EQ(seen_count, 2 * PREEMPT_OFFSET + HARDIRQ_OFFSET);
	arch_send_nmi_self();
	EXPECT(WAIT_UNTIL(*(volatile uint32_t *)&seen_count == 2 * PREEMPT_OFFSET + NMI_OFFSET));
	preempt_enable();
	preempt_enable();
	EXPECT_EQ(preempt_count(), 0);
	EXPECT_EQ(get_cpu(), this_cpu->index);
	EXPECT_EQ(preempt_count(), PREEMPT_OFFSET);
	put_cpu();
	trap_set_hook(TRAP_NMI, before);
}

/* A thread of a higher priority on the same CPU has run before its waker goes on. */
TEST(preempt, more_urgent_thread_runs_at_once)
{
	atomic_uint count = 0;
	struct thread *thread = make_rt(this_cpu->index, 1, add_one, &count);

	REQUIRE(thread);
	EXPECT_EQ(thread_wake(thread), 1);
	EXPECT_EQ(atomic_load(&count), 1);
	join(thread);
}

TEST(preempt, is_held_off_and_let_in)
{
	atomic_uint count = 0;
	struct thread *thread = make_rt(this_cpu->index, 1, add_one, &count);
	uint64_t taken = this_cpu->irq_count[RESCHEDULE_VECTOR];

	REQUIRE(thread);
	preempt_disable();
	preempt_disable();
	thread_wake(thread);
	EXPECT_EQ(atomic_load(&count), 0);
	preempt_check_resched();
	smp_send_reschedule(this_cpu->index);
	EXPECT(WAIT_UNTIL(this_cpu->irq_count[RESCHEDULE_VECTOR] != taken));
	preempt_enable();
	EXPECT_EQ(atomic_load(&count), 0);
	EXPECT(need_resched());
	preempt_enable();
	EXPECT_EQ(atomic_load(&count), 1);
	join(thread);
}

/* Without an interrupt in between, what is due waits for who looks. */
TEST(preempt, no_resched_means_later)
{
	atomic_uint count = 0;
	struct thread *thread = make_rt(this_cpu->index, 1, add_one, &count);
	uint64_t ticks;

	REQUIRE(thread);
	tick_suspend();
	ticks = this_cpu->irq_count[TICK_VECTOR];
	preempt_disable();
	thread_wake(thread);
	preempt_enable_no_resched();
	/* A device that ticks for all CPUs needs a tick to learn that nobody waits any more. */
	EXPECT(!atomic_load(&count) || this_cpu->irq_count[TICK_VECTOR] != ticks);
	preempt_check_resched();
	EXPECT_EQ(atomic_load(&count), 1);
	tick_resume();
	join(thread);
}

/* With interrupts off nobody is left; RESCHEDULE to oneself waits for them to be on. */
TEST(preempt, waits_for_interrupts)
{
	atomic_uint count = 0;
	struct thread *thread = make_rt(this_cpu->index, 1, add_one, &count);
	uint64_t taken = this_cpu->irq_count[RESCHEDULE_VECTOR];

	REQUIRE(thread);
	irq_disable();
	thread_wake(thread);
	preempt_check_resched();
	EXPECT_EQ(atomic_load(&count), 0);
	irq_enable();
	EXPECT(WAIT_UNTIL(atomic_load(&count) == 1));
	EXPECT_EQ(this_cpu->irq_count[RESCHEDULE_VECTOR] - taken, 1);
	join(thread);
}

/* Held off with interrupts off at the end: it must not be forgotten when they are on. */
TEST(preempt, enabled_with_interrupts_off)
{
	atomic_uint count = 0;
	struct thread *thread = make_rt(this_cpu->index, 1, add_one, &count);

	REQUIRE(thread);
	tick_suspend();
	preempt_disable();
	irq_disable();
	thread_wake(thread);
	preempt_enable();
	EXPECT_EQ(atomic_load(&count), 0);
	irq_enable();
	EXPECT(WAIT_UNTIL(atomic_load(&count) == 1));
	tick_resume();
	join(thread);
}

/* A spinner that never calls the kernel is left for what another CPU wakes there. */
TEST(preempt, spinner_is_interrupted_for_a_more_urgent_thread)
{
	unsigned int cpu = other_cpu(1);
	atomic_uint count = 0;
	atomic_bool go = false;
	struct thread *spinner, *thread;

	if (lacks_cpus(2))
		return;
	spinner = run_on(cpu, spin_until, &go);
	thread = make_rt(cpu, 1, add_one, &count);
	REQUIRE(spinner && thread);
	EXPECT(WAIT_UNTIL(*(struct thread *volatile *)&cpus[cpu]->current == spinner));
	thread_wake(thread);
	EXPECT(WAIT_UNTIL(atomic_load(&count) == 1));
	atomic_store(&go, true);
	join(spinner);
	join(thread);
}

struct spinner {
	_Atomic uint64_t rounds;
	atomic_bool *go;
};

static int count_rounds(void *arg)
{
	struct spinner *spinner = arg;

	while (!atomic_load(spinner->go))
		atomic_fetch_add(&spinner->rounds, 1);
	return 0;
}

/* Spinners of the fair class take turns: each goes on after all the others have. */
TEST(preempt, fair_spinners_take_turns)
{
	unsigned int cpu = other_cpu(1) < MAX_CPUS ? other_cpu(1) : this_cpu->index;
	atomic_bool go = false;
	struct spinner spinners[3];
	struct thread *threads[3];
	bool all_run = true;

	if (lacks_slices())
		return;
	for (int i = 0; i < 3; i++) {
		spinners[i] = (struct spinner){ .go = &go };
		threads[i] = run_on(cpu, count_rounds, &spinners[i]);
	}
	for (int i = 0; i < 6 && all_run; i++) {
		struct spinner *next = &spinners[i % 3];
		uint64_t before = atomic_load(&next->rounds);

		all_run = WAIT_UNTIL(atomic_load(&next->rounds) != before);
	}
	EXPECT(all_run);
	atomic_store(&go, true);
	for (int i = 0; i < 3; i++)
		join(threads[i]);
}

static struct thread *to_wake;

static void wake_it(void *info)
{
	(void)info;
	thread_wake(to_wake);
}

static void wake_it_from_work(struct irq_work *work)
{
	(void)work;
	thread_wake(to_wake);
}

/* The short entries look for nothing: who wakes somebody in a call's function sees to it. */
TEST(preempt, after_a_function_that_wakes)
{
	unsigned int cpu = other_cpu(1);
	atomic_uint count = 0;
	atomic_bool go = false;
	struct thread *spinner;

	if (lacks_cpus(2))
		return;
	spinner = run_on(cpu, spin_until, &go);
	to_wake = make_rt(cpu, 1, add_one, &count);
	REQUIRE(spinner && to_wake);
	EXPECT(WAIT_UNTIL(*(struct thread *volatile *)&cpus[cpu]->current == spinner));
	tick_suspend(); /* a tick would see to it later */
	EXPECT_EQ(smp_call_function_single(cpu, wake_it, NULL, true), 0);
	EXPECT(WAIT_UNTIL(atomic_load(&count) == 1));
	tick_resume();
	atomic_store(&go, true);
	join(spinner);
	join(to_wake);
}

/* A handler's thread is left on the handler's way out. */
TEST(preempt, after_an_interrupt_that_wakes)
{
	struct irq_work work = { .func = wake_it_from_work };
	atomic_uint count = 0;

	to_wake = make_rt(this_cpu->index, 1, add_one, &count);
	REQUIRE(to_wake);
	irq_disable();
	EXPECT(irq_work_queue(&work));
	irq_enable();
	EXPECT(WAIT_UNTIL(atomic_load(&count) == 1));
	join(to_wake);
}

/*
 * The classic: an index by CPU, and the thread is left and moved to another CPU between
 * two uses of it. The mover is woken in between, and is more urgent.
 */
static struct {
	struct thread *victim, *mover;
	unsigned int from, to;
	bool held; /* by get_cpu */
	int values[MAX_CPUS];
	int read_back;
	atomic_bool moved;
} indexed;

static int move_victim(void *unused)
{
	(void)unused;
	atomic_store(&indexed.moved, true);
	return thread_pin(indexed.victim, indexed.to);
}

static unsigned int take_index(void)
{
	return indexed.held ? get_cpu() : this_cpu->index;
}

static int use_index_twice(void *unused)
{
	(void)unused;
	indexed.victim = this_cpu->current;
	indexed.values[take_index()] = 42;
	thread_wake(indexed.mover);
	indexed.read_back = indexed.values[this_cpu->index];
	if (indexed.held)
		put_cpu();
	return (int)this_cpu->index;
}

static int use_index(bool held)
{
	struct thread *victim;
	int ended_on;

	indexed.held = held;
	indexed.read_back = 0;
	atomic_store(&indexed.moved, false);
	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
		indexed.values[cpu] = 0;
	indexed.mover = make_rt(indexed.from, 1, move_victim, NULL);
	victim = run_on(indexed.from, use_index_twice, NULL);
	ended_on = join(victim);
	EXPECT_EQ(join(indexed.mover), 0);
	EXPECT(atomic_load(&indexed.moved));
	return ended_on;
}

TEST(preempt, index_by_cpu)
{
	indexed.from = other_cpu(1);
	indexed.to = this_cpu->index;
	if (lacks_cpus(2))
		return;
	/* So it goes wrong: what was written is not what is read. */
	EXPECT_EQ(use_index(false), (int)indexed.to);
	EXPECT_EQ(indexed.read_back, 0);
	/* So it does not: the mover comes, but not before put_cpu. */
	EXPECT_EQ(use_index(true), (int)indexed.to);
	EXPECT_EQ(indexed.read_back, 42);
}

static void nothing(void *info)
{
	(void)info;
}

static struct {
	unsigned int target;
	atomic_int errors[2];
} two_waits;

static int wait_first(void *unused)
{
	(void)unused;
	atomic_store(&two_waits.errors[0],
		     smp_call_function_single(two_waits.target, nothing, NULL, true));
	return 0;
}

static int wait_second(void *unused)
{
	(void)unused;
	atomic_store(&two_waits.errors[1],
		     smp_call_function_single(two_waits.target, nothing, NULL, true));
	return 0;
}

/* Called to the scheduler, and not gone there. */
static bool is_held_off(unsigned int cpu)
{
	return !(*(volatile uint32_t *)&cpus[cpu]->preempt_count & PREEMPT_NOTHING_DUE);
}

/*
 * Two threads of one CPU wait for the same CPU, which takes no interrupts: the descriptor
 * that both would use is the CPU's, so the first is not left before its call was answered.
 */
TEST(preempt, waiter_is_not_left)
{
	unsigned int cpu = other_cpu(1);
	struct thread *first, *second;
	struct wait_seen seen;

	two_waits.target = this_cpu->index;
	if (lacks_cpus(2))
		return;
	atomic_store(&two_waits.errors[0], 1);
	atomic_store(&two_waits.errors[1], 1);
	second = make_rt(cpu, 1, wait_second, NULL);
	irq_disable();
	first = run_on(cpu, wait_first, NULL);
	EXPECT(WAIT_UNTIL(waiting_look(cpu, &seen)));
	thread_wake(second);
	EXPECT(WAIT_UNTIL(is_held_off(cpu) || atomic_load(&two_waits.errors[1]) != 1));
	EXPECT_EQ(atomic_load(&two_waits.errors[1]), 1);
	irq_enable();
	join(first);
	join(second);
	EXPECT_EQ(atomic_load(&two_waits.errors[0]), 0);
	EXPECT_EQ(atomic_load(&two_waits.errors[1]), 0);
}

/*
 * Threads: from their making to their end, and what is theirs meanwhile.
 */
#include "capture.h"
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/mm.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/mm/frames.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>
#include <lib/string.h>

static int where_am_i(void *arg)
{
	*(unsigned int *)arg = this_cpu->index;
	return (int)this_cpu->index + 100;
}

static void run_pinned(unsigned int cpu)
{
	unsigned int was_on = MAX_CPUS;
	struct thread *thread = run_on(cpu, where_am_i, &was_on);

	REQUIRE(thread);
	EXPECT_EQ(join(thread), (int)cpu + 100);
	EXPECT_EQ(was_on, cpu);
}

/* Twice each: threads that are not pinned begin on the CPUs in turn. */
TEST(thread, runs_where_it_is_pinned_and_is_joined)
{
	for_each_cpu(cpu, &cpu_online_mask) {
		run_pinned(cpu);
		run_pinned(cpu);
	}
	EXPECT(!irqs_disabled());
}

TEST(thread, begins_when_it_is_first_woken)
{
	atomic_uint count = 0;
	const struct thread_args args = { .func = add_one, .arg = &count };
	struct thread *thread;

	REQUIRE(!thread_create(&thread, &args));
	EXPECT(!thread_is_over(thread));
	thread_yield();
	EXPECT_EQ(atomic_load(&count), 0);
	EXPECT_EQ(thread_wake(thread), 1);
	EXPECT_EQ(join(thread), 0);
	EXPECT_EQ(atomic_load(&count), 1);
}

TEST(thread, bad_arguments)
{
	const struct thread_args good = { .func = add_one };
	struct thread_args args = good;
	struct thread *thread;

	EXPECT_EQ(thread_create(NULL, &good), -EINVAL);
	EXPECT_EQ(thread_create(&thread, NULL), -EINVAL);
	args.func = NULL;
	EXPECT_EQ(thread_create(&thread, &args), -EINVAL);
	args = good;
	args.priority = RT_PRIORITIES + 1;
	EXPECT_EQ(thread_create(&thread, &args), -EINVAL);
	args = good;
	args.pinned = true;
	args.cpu = nr_cpus;
	EXPECT_EQ(thread_create(&thread, &args), -EINVAL);
	EXPECT_EQ(thread_join(NULL, NULL), -EINVAL);
	EXPECT_EQ(thread_join(this_cpu->current, NULL), -EDEADLK);
	EXPECT_EQ(thread_pin(NULL, 0), -EINVAL);
	EXPECT_EQ(thread_pin(this_cpu->current, nr_cpus), -EINVAL);
}

TEST(thread, nobody_runs_on_an_offline_cpu)
{
	const struct thread_args args = { .func = add_one, .pinned = true, .cpu = other_cpu(1) };
	struct thread *thread;

	if (lacks_cpus(2))
		return;
	cpu_set_online(args.cpu, false);
	EXPECT_EQ(thread_create(&thread, &args), -ENXIO);
	EXPECT_EQ(thread_pin(this_cpu->current, args.cpu), -ENXIO);
	cpu_set_online(args.cpu, true);
}

static int exit_early(void *unused)
{
	(void)unused;
	thread_exit(7);
}

TEST(thread, exit_is_like_returning)
{
	EXPECT_EQ(join(run_on(0, exit_early, NULL)), 7);
}

/* A name that is too long is cut, and one thread is joined by one other, once. */
TEST(thread, names_and_double_joins)
{
	atomic_uint count = 0;
	const struct thread_args args = { .name = "a name of more than fifteen",
					  .func = add_one,
					  .arg = &count };
	struct thread *thread;

	REQUIRE(!thread_create(&thread, &args));
	EXPECT(!strcmp(thread->name, "a name of more "));
	atomic_store(&thread->joined, true);
	EXPECT_EQ(thread_join(thread, NULL), -EBUSY);
	atomic_store(&thread->joined, false);
	EXPECT_EQ(thread_wake(thread), 1);
	join(thread);
	EXPECT_EQ(thread_join(thread, NULL), -ESRCH);
	EXPECT_EQ(thread_pin(thread, 0), -ESRCH);
}

#define MANY    10000
#define AT_ONCE 40

static atomic_uint many_ran;

static unsigned int make_some(struct thread **threads)
{
	const struct thread_args args = { .func = add_one, .arg = &many_ran };
	unsigned int made = 0;

	while (made < AT_ONCE && !thread_run(&threads[made], &args))
		made++;
	return made;
}

static void join_some(struct thread **threads, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		join(threads[i]);
}

TEST(thread, ten_thousand_leave_nothing_behind)
{
	struct thread *threads[AT_ONCE];
	unsigned int made = 0, before = thread_count();
	uint64_t frames;

	join_some(threads, make_some(threads)); /* stacks are kept for the next */
	frames = frames_free();
	atomic_store(&many_ran, 0);
	while (made < MANY) {
		unsigned int now = make_some(threads);

		REQUIRE(now);
		join_some(threads, now);
		made += now;
	}
	EXPECT_EQ(atomic_load(&many_ran), made);
	EXPECT_EQ(frames_free(), frames);
	EXPECT_EQ(thread_count(), before);
}

TEST(thread, stack_stands_above_a_guard_page)
{
	atomic_uint count = 0;
	const struct thread_args args = { .func = add_one, .arg = &count };
	struct thread *thread;

	REQUIRE(!thread_create(&thread, &args));
	EXPECT(arch_page_info(thread->stack_top - 1).writable);
	EXPECT(arch_page_info(thread->stack_top - KERNEL_STACK_SIZE).writable);
	EXPECT(!arch_page_info(thread->stack_top - KERNEL_STACK_SIZE - 1).present);
	EXPECT((uint64_t)thread < thread->stack_top &&
	       (uint64_t)thread >= thread->stack_top - PAGE_SIZE);
	EXPECT_EQ(thread_wake(thread), 1);
	join(thread);
}

struct pattern {
	uint64_t value;
	unsigned int spoilt; /* rounds */
};

/* The registers that a call preserves hold numbers of this thread's over a switch. */
static int keep_registers(void *arg)
{
	struct pattern *pattern = arg;

	for (int round = 0; round < 100; round++) {
		uint64_t wrong, value = pattern->value; /* the call does not keep it */

		asm volatile("mov %1, %%rbx; lea 1(%1), %%r12; lea 2(%1), %%r13\n\t"
			     "lea 3(%1), %%r14; lea 4(%1), %%r15; push %1; push %1\n\t"
			     "call thread_yield\n\t"
			     "pop %%rax; pop %%rcx; xor %%rax, %%rcx\n\t"
			     "xor %%rax, %%rbx; or %%rbx, %%rcx; inc %%rax\n\t"
			     "xor %%rax, %%r12; or %%r12, %%rcx; inc %%rax\n\t"
			     "xor %%rax, %%r13; or %%r13, %%rcx; inc %%rax\n\t"
			     "xor %%rax, %%r14; or %%r14, %%rcx; inc %%rax\n\t"
			     "xor %%rax, %%r15; or %%r15, %%rcx"
			     : "=&c"(wrong), "+&d"(value)
			     :
			     : "rax", "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
			       "r14", "r15", "memory", "cc");
		pattern->spoilt += wrong != 0;
	}
	return 0;
}

TEST(thread, registers_survive_a_switch)
{
	struct pattern patterns[3] = { { .value = 1000 }, { .value = 2000 }, { .value = 3000 } };
	struct thread *threads[3];

	for (int i = 0; i < 3; i++)
		threads[i] = run_on(this_cpu->index, keep_registers, &patterns[i]);
	for (int i = 0; i < 3; i++) {
		join(threads[i]);
		EXPECT_EQ(patterns[i].spoilt, 0);
	}
}

static int find_self_elsewhere(void *arg)
{
	for_each_cpu(cpu, &cpu_online_mask) {
		if (thread_pin(this_cpu->current, cpu) || this_cpu->index != cpu)
			return -EIO;
	}
	*(unsigned int *)arg = this_cpu->index;
	return 0;
}

TEST(thread, pins_itself_to_one_cpu_after_the_other)
{
	unsigned int last = MAX_CPUS;

	EXPECT_EQ(join(run_on(0, find_self_elsewhere, &last)), 0);
	EXPECT(last < MAX_CPUS && cpumask_next(&cpu_online_mask, last + 1) == MAX_CPUS);
}

static int tell_cpu_when_woken(void *arg)
{
	(void)arg;
	thread_prepare_to_block();
	thread_block();
	return (int)this_cpu->index;
}

/* One that is blocked, and two that wait for a spinner to let them run. */
TEST(thread, is_pinned_elsewhere_by_another)
{
	unsigned int from = other_cpu(1), to = this_cpu->index;
	struct thread *blocked, *spins, *in_list, *in_queue;
	atomic_bool go = false, at_once = true;

	if (lacks_cpus(2))
		return;
	blocked = run_on(from, tell_cpu_when_woken, NULL);
	REQUIRE(blocked && has_blocked(blocked));
	in_queue = make_rt(from, 1, spin_until, &at_once);
	spins = make_rt(from, 2, spin_until, &go);
	REQUIRE(spins && in_queue);
	thread_wake(spins);
	EXPECT(WAIT_UNTIL(*(struct thread *volatile *)&cpus[from]->current == spins));
	thread_wake(in_queue);
	in_list = run_on(from, spin_until, &at_once);
	REQUIRE(in_list);
	EXPECT_EQ(thread_pin(in_list, to), 0);
	EXPECT_EQ(join(in_list), (int)to);
	EXPECT_EQ(thread_pin(in_queue, to), 0);
	EXPECT_EQ(join(in_queue), (int)to);
	EXPECT_EQ(thread_pin(blocked, to), 0);
	EXPECT_EQ(thread_wake(blocked), 1);
	EXPECT_EQ(join(blocked), (int)to);
	atomic_store(&go, true);
	EXPECT_EQ(join(spins), (int)from);
}

/* One that runs, and never waits. */
TEST(thread, is_pinned_elsewhere_while_it_spins)
{
	unsigned int from = other_cpu(1), to = this_cpu->index;
	atomic_bool go = false;
	struct thread *thread;

	if (lacks_cpus(2) || lacks_slices())
		return;
	thread = run_on(from, spin_until, &go);
	REQUIRE(thread);
	EXPECT(WAIT_UNTIL(*(struct thread *volatile *)&cpus[from]->current == thread));
	EXPECT_EQ(thread_pin(thread, to), 0);
	EXPECT(WAIT_UNTIL(atomic_load(&thread->cpu) == to));
	EXPECT_EQ(thread_pin(thread, ANY_CPU), 0);
	atomic_store(&go, true);
	EXPECT_EQ(join(thread), (int)to);
}

static int come_back_uneven(void *unused)
{
	(void)unused;
	preempt_disable();
	preempt_disable();
	irq_disable();
	return 0;
}

/* The count is the CPU's: what a thread leaves behind would be the next one's. */
TEST(thread, that_ends_with_preemption_held_off_is_told)
{
	capture_start();
	EXPECT_EQ(join(run_on(this_cpu->index, come_back_uneven, NULL)), 0);
	capture_end();
	EXPECT_EQ(preempt_count(), 0);
	EXPECT(capture_has("WARNING: sched: thread ",
			   "'test' ends with interrupts off, preempt count 0x2", "thread_end"));
}

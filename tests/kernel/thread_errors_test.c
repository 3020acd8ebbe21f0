/*
 * What threads are refused: without memory, where nobody may wait, and when they are over.
 */
#include "capture.h"
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/mm.h>
#include <arch/time.h>
#include <kernel/mm/frames.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>

static atomic_uint ran;

#define SPARE       2048 /* more stacks than any test has left over */
#define MOST_FRAMES 64   /* more than a stack takes */

static struct thread *made[SPARE];

/* Uses up the stacks that are there, with one allocation to come that fails. */
static unsigned int make_until_one_fails(const struct thread_args *args)
{
	unsigned int count = 0;
	int error = 0;

	frames_fail_at(1);
	while (count < SPARE && !(error = thread_create(&made[count], args)))
		count++;
	frames_fail_at(0);
	EXPECT_EQ(error, -ENOMEM);
	return count;
}

/*
 * Each frame of a new stack is missing once; what was got for it already is given back, but for a
 * page table of the kernel's half, which later stacks use: one at most for so few addresses.
 */
TEST(thread, no_memory_for_a_stack)
{
	const struct thread_args args = { .func = add_one, .arg = &ran };
	unsigned int before = thread_count(), count = make_until_one_fails(&args), nth = 0;
	uint64_t frames = frames_free();
	int error;

	REQUIRE(count < SPARE);
	do {
		EXPECT_EQ(thread_count(), before + count);
		EXPECT(frames_free() == frames || frames_free() == frames - 1);
		frames_fail_at(++nth);
		error = thread_create(&made[count], &args);
		frames_fail_at(0);
	} while (error == -ENOMEM && nth < MOST_FRAMES);
	EXPECT_EQ(error, 0);
	EXPECT(nth > KERNEL_STACK_SIZE / PAGE_SIZE);
	count += !error;
	for (unsigned int i = 0; i < count; i++) {
		EXPECT_EQ(thread_wake(made[i]), 1);
		join(made[i]);
	}
	EXPECT_EQ(thread_count(), before);
}

/* The stack that it had already is the next one's. */
TEST(thread, no_memory_for_registers)
{
	const struct thread_args args = { .func = add_one, .arg = &ran, .fpu = true };
	unsigned int before = thread_count();
	struct thread *thread;
	uint64_t frames;

	REQUIRE(!thread_run(&thread, &args));
	join(thread);
	frames = frames_free();
	frames_fail_at(1);
	EXPECT_EQ(thread_create(&thread, &args), -ENOMEM);
	frames_fail_at(0);
	EXPECT_EQ(frames_free(), frames);
	EXPECT_EQ(thread_count(), before);
}

struct hoard {
	uint64_t first; /* of the frames that were taken, linked by their first words */
	uint64_t count;
};

/* All of memory, but for what the frame allocator's callers need to say that there is none. */
static struct hoard take_all_memory(void)
{
	struct hoard hoard = { 0 };
	uint64_t frame;

	while ((frame = frame_alloc())) {
		*(uint64_t *)phys_to_virt(frame) = hoard.first;
		hoard.first = frame;
		hoard.count++;
	}
	return hoard;
}

static void give_one_back(struct hoard *hoard)
{
	uint64_t frame = hoard->first;

	hoard->first = *(uint64_t *)phys_to_virt(frame);
	frame_free(frame);
}

#define LITTLE 24576 /* frames: to take more of them away would take long */

/* Stacks that are there are used up; then it is said that there are none. */
TEST(thread, out_of_stacks)
{
	const struct thread_args args = { .func = add_one, .arg = &ran };
	unsigned int count = 0, before = thread_count();
	struct thread *unmade;
	struct hoard hoard;
	uint64_t others; /* frames, in the caches of other CPUs */
	int error = 0;

	if (frames_free() > LITTLE) {
		test_skip("needs a machine with little memory");
		return;
	}
	hoard = take_all_memory();
	others = frames_free();
	while (count < SPARE && !(error = thread_run(&made[count], &args)))
		count++;
	EXPECT_EQ(error, -ENOMEM);
	EXPECT_EQ(thread_count(), before + count);
	EXPECT_EQ(frames_free(), others);
	give_one_back(&hoard);
	give_one_back(&hoard);
	EXPECT_EQ(thread_create(&unmade, &args), -ENOMEM);
	EXPECT_EQ(frames_free(), others + 2);
	for (unsigned int i = 0; i < count; i++)
		join(made[i]);
	EXPECT_EQ(thread_count(), before);
	while (hoard.first)
		give_one_back(&hoard);
	EXPECT_EQ(frames_free(), others + hoard.count);
	EXPECT_EQ(thread_run(&made[0], &args), 0);
	join(made[0]);
}

static int yield_for_ever(void *ended)
{
	while (!atomic_load((atomic_bool *)ended))
		thread_yield();
	return 0;
}

static bool irqs_stayed_off;

static void __attribute__((noinline)) yield_inside(void *unused)
{
	(void)unused;
	thread_yield();
	irqs_stayed_off = irqs_disabled();
}

/*
 * Somebody of the same priority would be there. In a function, in a thread with interrupts off
 * or preemption held off, the thread stays, and interrupts are as they were.
 */
TEST(thread, yields_where_none_may)
{
	atomic_bool ended = false;
	struct thread *other = run_on(this_cpu->index, yield_for_ever, &ended);
	uint64_t switches;

	REQUIRE(other);
	capture_start();
	preempt_disable();
	switches = this_cpu->switches;
	EXPECT_EQ(smp_call_function_single(this_cpu->index, yield_inside, NULL, true), 0);
	EXPECT(irqs_stayed_off);
	thread_yield();
	EXPECT(!irqs_disabled());
	irq_disable();
	preempt_enable_no_resched();
	yield_inside(NULL);
	EXPECT(irqs_stayed_off);
	EXPECT_EQ(this_cpu->switches, switches);
	irq_enable();
	capture_end();
	EXPECT(capture_has_once("interrupts off, preempt count 0x1", "yield_inside",
				"interrupts on, preempt count 0x1",
				"thread_yields_where_none_may"));
	EXPECT_EQ(preempt_count(), 0);
	atomic_store(&ended, true);
	join(other);
}

/* Another CPU's function would leave its queue half drained behind. */
TEST(thread, yields_in_a_function_on_another_cpu)
{
	unsigned int cpu = other_cpu(1);
	struct thread *others[2];
	atomic_bool ended = false;

	if (lacks_cpus(2))
		return;
	others[0] = run_on(cpu, yield_for_ever, &ended);
	others[1] = run_on(cpu, yield_for_ever, &ended);
	capture_start();
	for (int i = 0; i < 20; i++) {
		irqs_stayed_off = false;
		EXPECT_EQ(smp_call_function_single(cpu, yield_inside, NULL, true), 0);
		EXPECT(irqs_stayed_off);
	}
	capture_end();
	atomic_store(&ended, true);
	join(others[0]);
	join(others[1]);
}

static int pin_error;

static void __attribute__((noinline)) pin_inside(void *thread)
{
	pin_error = thread_pin(thread, ANY_CPU);
}

TEST(thread, pins_where_none_may_wait)
{
	const struct thread_args args = { .func = add_one, .arg = &ran };
	struct thread *thread;

	REQUIRE(!thread_create(&thread, &args));
	capture_start();
	EXPECT_EQ(smp_call_function_single(this_cpu->index, pin_inside, thread, true), 0);
	EXPECT_EQ(pin_error, -EDEADLK);
	pin_error = 0;
	preempt_disable();
	pin_inside(thread);
	preempt_enable();
	EXPECT_EQ(pin_error, -EDEADLK);
	capture_end();
	EXPECT(capture_has_once("WARNING: sched: a wait where none may be", "pin_inside"));
	pin_inside(thread);
	EXPECT_EQ(pin_error, 0);
	EXPECT_EQ(thread_wake(thread), 1);
	join(thread);
}

/* It is over, and was not joined: the stack is still its own. */
TEST(thread, is_dead_before_it_is_joined)
{
	struct thread *thread = run_on(this_cpu->index, add_one, &ran);

	REQUIRE(thread);
	EXPECT(WAIT_UNTIL((thread_yield(), thread_is_over(thread))));
	EXPECT_EQ(atomic_load(&thread->state), THREAD_DEAD);
	capture_start();
	EXPECT_EQ(thread_wake(thread), -ESRCH);
	EXPECT_EQ(thread_pin(thread, ANY_CPU), -ESRCH);
	capture_end();
	EXPECT(capture_has("WARNING: sched: wake-up of a thread that is over: ",
			   "is_dead_before_it_is_joined"));
	EXPECT_EQ(join(thread), 0);
}

/*
 * What debug builds find out about locks. In others these are skipped.
 */
#include "capture.h"
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/debug/checks.h>
#include <kernel/sched/mutex.h>
#include <kernel/sched/sched.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/spinlock.h>

static struct spinlock first, second, third, mixed, over_call, stranger, over_switch;

static bool lacks_checks(void)
{
	if (!debug_build)
		test_skip("not a debug build");
	return !debug_build;
}

static void take_both(struct spinlock *one, struct spinlock *other)
{
	unsigned long outer, inner;

	if (one == &first) {
		outer = spin_lock_irqsave(&first);
		inner = spin_lock_irqsave(&second);
		spin_unlock_irqrestore(&second, inner);
		spin_unlock_irqrestore(&first, outer);
	} else if (other == &third) {
		outer = spin_lock_irqsave(&second);
		inner = spin_lock_irqsave(&third);
		spin_unlock_irqrestore(&third, inner);
		spin_unlock_irqrestore(&second, outer);
	} else {
		outer = spin_lock_irqsave(&third);
		inner = spin_lock_irqsave(&first);
		spin_unlock_irqrestore(&first, inner);
		spin_unlock_irqrestore(&third, outer);
	}
}

/* first before second, second before third; then third before first closes the circle. */
TEST(lock_order, circle_of_three)
{
	if (lacks_checks())
		return;
	capture_start();
	take_both(&first, &second);
	take_both(&second, &third);
	EXPECT(!capture_find(NULL, "lock order"));
	take_both(&third, &first);
	capture_end();
	EXPECT(capture_has("WARNING: lock order: taken in both orders: ",
			   "lock_order_test.c: &third", "lock_order_test.c: &first", "take_both"));
}

TEST(lock_order, held_with_interrupts_on_and_waited_for_with_them_off)
{
	unsigned long flags;

	if (lacks_checks())
		return;
	capture_start();
	EXPECT(spin_trylock(&mixed));
	spin_unlock(&mixed);
	irq_disable();
	flags = spin_lock_irqsave(&mixed);
	spin_unlock_irqrestore(&mixed, flags);
	irq_enable();
	capture_end();
	EXPECT(capture_has("WARNING: lock order: held with interrupts on, waited for with interrupts "
			   "off: ",
			   "&mixed"));
}

static void nothing(void *info)
{
	(void)info;
}

TEST(lock_order, held_over_a_waited_call)
{
	if (lacks_checks() || lacks_cpus(2))
		return;
	capture_start();
	spin_unlock_irqrestore(&over_call, spin_lock_irqsave(&over_call));
	EXPECT(spin_trylock(&over_call));
	EXPECT_EQ(smp_call_function_single(other_cpu(1), nothing, NULL, true), 0);
	spin_unlock(&over_call);
	capture_end();
	EXPECT(capture_has("WARNING: lock order: held over a waited call: ", "&over_call"));
}

TEST(lock_order, unlocked_by_a_stranger)
{
	if (lacks_checks())
		return;
	capture_start();
	preempt_disable();
	spin_unlock(&stranger);
	capture_end();
	EXPECT(capture_has("WARNING: lock order: let go by a CPU that does not hold it: ",
			   "&stranger"));
}

TEST(lock_order, held_by_a_thread_that_is_left)
{
	if (lacks_checks())
		return;
	capture_start();
	EXPECT(spin_trylock(&over_switch));
	preempt_enable_no_resched();
	irq_disable();
	set_need_resched();
	irq_enable();
	preempt_check_resched();
	preempt_disable();
	spin_unlock(&over_switch);
	capture_end();
	EXPECT(capture_has("WARNING: lock order: held by a thread that is left: ", "&over_switch"));
}

static struct mutex outer, inner, middle, forgotten;

static int lock_both(void *reversed)
{
	if (reversed) {
		mutex_lock(&inner);
		mutex_lock(&outer);
	} else {
		mutex_lock(&outer);
		mutex_lock(&middle);
		mutex_unlock(&middle);
		mutex_lock(&inner);
	}
	mutex_unlock(&outer);
	mutex_unlock(&inner);
	return 0;
}

/* One after the other, so that nobody waits for ever; some day both would come at once. */
TEST(lock_order, mutexes_taken_in_both_orders)
{
	if (lacks_checks())
		return;
	capture_start();
	join(run_on(this_cpu->index, lock_both, NULL));
	join(run_on(this_cpu->index, lock_both, NULL));
	EXPECT(!capture_find(NULL, "lock order"));
	join(run_on(this_cpu->index, lock_both, &inner));
	capture_end();
	EXPECT(capture_has("WARNING: lock order: taken in both orders: ", "&inner, ", "&outer",
			   "lock_both"));
	EXPECT(!outer.owner && !inner.owner);
}

static int lock_and_forget(void *unused)
{
	(void)unused;
	return mutex_lock(&forgotten);
}

TEST(lock_order, mutex_of_a_thread_that_ends)
{
	if (lacks_checks())
		return;
	capture_start();
	EXPECT_EQ(join(run_on(this_cpu->index, lock_and_forget, NULL)), 0);
	capture_end();
	EXPECT(capture_has("WARNING: lock order: owned by a thread that ends: ", "&forgotten"));
	forgotten = (struct mutex){ 0 };
}

TEST(deliberate, lock_taken_twice)
{
	if (lacks_checks())
		return;
	spin_lock_irqsave(&first);
	spin_lock_irqsave(&first);
}

TEST(deliberate, preemption_let_in_twice)
{
	if (lacks_checks())
		return;
	preempt_disable();
	preempt_enable();
	preempt_enable();
}

static int ask_for_cpu(void *unused)
{
	(void)unused;
	return (int)smp_processor_id();
}

TEST(deliberate, cpu_of_a_thread_that_may_be_moved)
{
	const struct thread_args args = { .func = ask_for_cpu };
	struct thread *thread;

	if (lacks_checks())
		return;
	EXPECT_EQ(join(run_on(0, ask_for_cpu, NULL)), 0);
	REQUIRE(!thread_run(&thread, &args));
	join(thread);
}

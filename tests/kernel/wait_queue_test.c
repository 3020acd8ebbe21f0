/*
 * Wait queues: every wake-up comes to somebody who waits for it.
 */
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <arch/time.h>
#include <kernel/sched/wait.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>

#define ITEMS 100

static struct {
	struct wait_queue filled, emptied;
	atomic_uint item; /* 0: none */
	uint64_t sum;
} belt;

static int consume(void *unused)
{
	(void)unused;
	for (unsigned int i = 0; i < ITEMS; i++) {
		unsigned int item = 0;

		if (wait_event(&belt.filled, (item = atomic_exchange(&belt.item, 0)) != 0))
			return -EDEADLK;
		belt.sum += item;
		wake_up(&belt.emptied);
	}
	return 0;
}

static void produce(void)
{
	unsigned int nothing;

	for (unsigned int i = 1; i <= ITEMS; i++) {
		EXPECT_EQ(wait_event(&belt.emptied,
				     (nothing = 0,
				      atomic_compare_exchange_strong(&belt.item, &nothing, i))),
			  0);
		wake_up(&belt.filled);
	}
}

/* Every item arrives: a wake-up that is lost leaves both asleep. */
TEST(sync, wait_queue_belt)
{
	unsigned int cpu = other_cpu(1);

	for (int there = 0; there < 2; there++) {
		struct thread *thread;

		if (there && cpu == MAX_CPUS)
			break;
		belt.sum = 0;
		thread = run_on(there ? cpu : this_cpu->index, consume, NULL);
		REQUIRE(thread);
		produce();
		EXPECT_EQ(join(thread), 0);
		EXPECT_EQ(belt.sum, ITEMS * (ITEMS + 1) / 2);
	}
	EXPECT(list_empty(&belt.filled.entries) && list_empty(&belt.emptied.entries));
}

static int wait_for_flag(void *flag)
{
	return wait_event(&belt.filled, atomic_load((atomic_bool *)flag));
}

TEST(sync, wake_up_wakes_one_and_all_wakes_all)
{
	atomic_bool flag = false;
	struct thread *threads[4];

	for (int i = 0; i < 4; i++) {
		threads[i] = run_on(this_cpu->index, wait_for_flag, &flag);
		REQUIRE(threads[i] && has_blocked(threads[i]));
	}
	atomic_store(&flag, true);
	EXPECT_EQ(wake_up(&belt.filled), 1);
	EXPECT_EQ(join(threads[0]), 0);
	EXPECT_EQ(wake_up_all(&belt.filled), 3);
	EXPECT_EQ(wake_up(&belt.filled), 0);
	for (int i = 1; i < 4; i++)
		EXPECT_EQ(join(threads[i]), 0);
}

static struct {
	struct wait_queue filled;
	struct thread *second;
	unsigned int items, taken;
} shelf;

static bool take_item(void)
{
	if (!shelf.items)
		return false;
	shelf.items--;
	shelf.taken++;
	return true;
}

static int take_second(void *unused)
{
	(void)unused;
	return wait_event(&shelf.filled, take_item());
}

/* Before this look ends, another consumer has found nothing, and there is something new. */
static bool take_first(void)
{
	if (!take_item())
		return false;
	thread_wake(shelf.second);
	shelf.items++;
	EXPECT_EQ(wake_up(&shelf.filled), 1);
	return true;
}

/* The wake-up for it takes out the one that is first in the queue, and needs it no more. */
TEST(sync, wake_up_of_one_that_has_what_it_wants)
{
	shelf.items = 1;
	shelf.taken = 0;
	shelf.second = make_rt(this_cpu->index, 1, take_second, NULL);
	REQUIRE(shelf.second);
	EXPECT_EQ(wait_event(&shelf.filled, take_first()), 0);
	EXPECT_EQ(join(shelf.second), 0);
	EXPECT_EQ(shelf.taken, 2);
	EXPECT(list_empty(&shelf.filled.entries));
}

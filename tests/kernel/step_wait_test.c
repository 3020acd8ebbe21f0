/*
 * Waiting, and making threads, left after every instruction.
 */
#include "step.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <kernel/console/printk.h>
#include <kernel/sched/completion.h>
#include <kernel/sched/mutex.h>
#include <kernel/sched/semaphore.h>
#include <kernel/sched/wait.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/cpu.h>

static struct mutex mutex;
static struct semaphore semaphore;
static unsigned int inside;

/* One after the other, never inside each other. */
static void lock_and_unlock(void)
{
	for (int i = 0; i < 3; i++) {
		mutex_lock(&mutex);
		inside++;
		if (inside != 1)
			step.wrong++;
		inside--;
		mutex_unlock(&mutex);
		down(&semaphore);
		up(&semaphore);
	}
}

static void lock_once(void)
{
	mutex_lock(&mutex);
	if (inside)
		step.wrong++;
	mutex_unlock(&mutex);
	down(&semaphore);
	up(&semaphore);
}

TEST(step, mutex_and_semaphore)
{
	semaphore.count = 1;
	inside = 0;
	step_through(lock_and_unlock, lock_once);
	EXPECT(!mutex.owner);
	EXPECT_EQ(semaphore.count, 1);
}

/* The wait is ended by wake, of the intruder, which comes once. */
static const struct way {
	void (*prepare)(void), (*wait)(void), (*wake)(void);
} * way;

static int wait_step_by_step(void *unused)
{
	(void)unused;
	step_through(way->wait, way->wake);
	return 0;
}

/*
 * Steps until the waiter is woken by what comes behind that step, which comes once. The waiter is
 * more urgent than we are, so when we go on it is over, or sleeps: if the step had come, for ever.
 */
static bool is_woken_behind(unsigned int only)
{
	struct thread *waiter;
	bool had_come;

	step.only = only;
	step.steps = 0;
	waiter = make_rt(this_cpu->index, 1, wait_step_by_step, NULL);
	thread_wake(waiter);
	had_come = step.steps >= only;
	if (!thread_is_over(waiter)) {
		EXPECT(!had_come);
		/* A look for no reason may find it; or it comes again. */
		if (had_come)
			thread_wake(waiter);
		if (!thread_is_over(waiter))
			thread_wake(step.intruder);
	}
	join(waiter);
	return had_come && !step.wrong;
}

/* The waiter is woken between any two steps of its going to sleep. */
static void wake_between_any_two_steps(const struct way *how)
{
	unsigned int steps = 1;

	way = how;
	step.prepare = how->prepare;
	while (is_woken_behind(steps) && steps < MOST_STEPS)
		steps++;
	EXPECT(steps > 1 && steps < MOST_STEPS);
	printk("# woken at %u steps\n", steps - 1);
	step.only = 0;
	step.prepare = NULL;
}

static struct completion completion;

static void wait_once(void)
{
	if (wait_for_completion(&completion))
		step.wrong++;
}

static void complete_one(void)
{
	complete(&completion);
}

TEST(step, waiter_of_a_completion)
{
	completion.done = 0;
	wake_between_any_two_steps(&(struct way){ NULL, wait_once, complete_one });
	EXPECT_EQ(completion.done, 0);
	EXPECT(list_empty(&completion.waiters.entries));
}

static void lock_it(void)
{
	if (mutex_lock(&mutex))
		step.wrong++;
}

static void unlock_it(void)
{
	if (mutex_unlock(&mutex))
		step.wrong++;
}

static void lock_and_unlock_it(void)
{
	lock_it();
	unlock_it();
}

TEST(step, waiter_of_a_mutex)
{
	wake_between_any_two_steps(&(struct way){ lock_it, lock_and_unlock_it, unlock_it });
	EXPECT(!mutex.owner);
	EXPECT(list_empty(&mutex.waiters.entries));
}

static void go_down(void)
{
	if (down(&semaphore))
		step.wrong++;
}

static void go_up(void)
{
	up(&semaphore);
}

TEST(step, waiter_of_a_semaphore)
{
	semaphore.count = 0;
	wake_between_any_two_steps(&(struct way){ NULL, go_down, go_up });
	EXPECT_EQ(semaphore.count, 0);
	EXPECT(list_empty(&semaphore.waiters.entries));
}

static struct wait_queue queue;
static atomic_bool has_come;

static void wait_until_it_has_come(void)
{
	if (wait_event(&queue, atomic_load(&has_come)))
		step.wrong++;
	atomic_store(&has_come, false);
}

static void let_it_come(void)
{
	atomic_store(&has_come, true);
	wake_up(&queue);
}

TEST(step, waiter_of_a_wait_queue)
{
	wake_between_any_two_steps(&(struct way){ NULL, wait_until_it_has_come, let_it_come });
	EXPECT(list_empty(&queue.entries));
}

static atomic_uint ran;

static void make_thread(struct thread **thread)
{
	const struct thread_args args = { .func = add_one, .arg = &ran };

	if (thread_create(thread, &args))
		step.wrong++;
}

static struct thread *made[2];

static void make_first(void)
{
	make_thread(&made[0]);
}

static void make_second(void)
{
	make_thread(&made[1]);
}

static bool is_next(struct thread *thread, void *last)
{
	if (thread->id <= *(uint32_t *)last)
		step.wrong++;
	*(uint32_t *)last = thread->id;
	return true;
}

static void let_go(struct thread **thread)
{
	if (!*thread)
		return;
	thread_wake(*thread);
	join(*thread);
	*thread = NULL;
}

/* Whoever lists them relies on it that ids grow along the list. */
TEST(step, two_makers_of_threads)
{
	step.only = 0;
	do {
		uint32_t last = 0;

		step.only++;
		step_through(make_first, make_second);
		thread_visit(is_next, &last);
		EXPECT_EQ(step.wrong, 0);
		let_go(&made[0]);
		let_go(&made[1]);
	} while (step.steps >= step.only && !step.wrong && step.only < MOST_STEPS);
	EXPECT(step.only > 1 && step.only < MOST_STEPS);
	step.only = 0;
}

/*
 * Waiting for each other: completions, mutexes, semaphores.
 */
#include "capture.h"
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/sched/completion.h>
#include <kernel/sched/mutex.h>
#include <kernel/sched/preempt.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/semaphore.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/irq_work.h>
#include <lib/errno.h>

#define THREADS 12

/* Some threads on all CPUs in turn run func(arg) at once. */
static void with_threads(unsigned int count, int (*func)(void *), void *arg)
{
	struct thread *threads[THREADS];
	unsigned int cpu = 0;

	for (unsigned int i = 0; i < count; i++) {
		threads[i] = run_on(cpu, func, arg);
		cpu = cpumask_next(&cpu_online_mask, cpu + 1);
		if (cpu == MAX_CPUS)
			cpu = 0;
	}
	for (unsigned int i = 0; i < count; i++)
		EXPECT_EQ(join(threads[i]), 0);
}

static int wait_and_count(void *arg)
{
	struct completion *completion = arg;

	return wait_for_completion(completion);
}

TEST(sync, completion_before_and_after)
{
	struct completion completion = { 0 };
	struct thread *thread;

	complete(&completion);
	EXPECT_EQ(wait_for_completion(&completion), 0);
	EXPECT(!try_wait_for_completion(&completion));
	thread = run_on(other_cpu(1) < MAX_CPUS ? other_cpu(1) : 0, wait_and_count, &completion);
	REQUIRE(thread && has_blocked(thread));
	complete(&completion);
	EXPECT_EQ(join(thread), 0);
	EXPECT(!try_wait_for_completion(&completion));
}

TEST(sync, each_completion_lets_one_go_on)
{
	struct completion completion = { 0 };
	struct thread *threads[3];

	for (int i = 0; i < 3; i++) {
		threads[i] = run_on(this_cpu->index, wait_and_count, &completion);
		REQUIRE(threads[i] && has_blocked(threads[i]));
	}
	complete(&completion);
	EXPECT_EQ(join(threads[0]), 0);
	EXPECT(!thread_is_over(threads[1]) && !thread_is_over(threads[2]));
	complete_all(&completion);
	join(threads[1]);
	join(threads[2]);
	EXPECT_EQ(wait_for_completion(&completion), 0);
	EXPECT(try_wait_for_completion(&completion));
}

static void complete_it(void *completion)
{
	complete(completion);
}

/* A function that another CPU runs ends a wait here. */
TEST(sync, completion_from_a_function)
{
	struct completion completion = { 0 };

	for (int i = 0; i < 20; i++) {
		unsigned int cpu = other_cpu(1) < MAX_CPUS ? other_cpu(1) : this_cpu->index;

		EXPECT_EQ(smp_call_function_single(cpu, complete_it, &completion, false), 0);
		EXPECT_EQ(wait_for_completion(&completion), 0);
	}
}

TEST(sync, completion_in_time_or_not)
{
	struct completion completion = { 0 };
	uint64_t start = clock_ns();

	EXPECT_EQ(wait_for_completion_timeout(&completion, 2000000), -ETIMEDOUT);
	EXPECT(clock_ns() - start >= 2000000);
	REQUIRE(list_empty(&completion.waiters.entries));
	complete(&completion);
	EXPECT_EQ(wait_for_completion_timeout(&completion, 60000000000ull), 0);
	EXPECT(list_empty(&completion.waiters.entries));
}

#define LOCKED_ROUNDS 64

static struct {
	struct mutex mutex;
	unsigned int count;
	atomic_uint inside;
	bool crowded;
} guarded;

static int count_under_mutex(void *unused)
{
	(void)unused;
	for (unsigned int i = 0; i < LOCKED_ROUNDS; i++) {
		unsigned int count;

		if (mutex_lock(&guarded.mutex))
			return -EDEADLK;
		guarded.crowded |= atomic_fetch_add(&guarded.inside, 1) != 0;
		count = guarded.count;
		if (i % 8 == 0)
			thread_yield();
		guarded.count = count + 1;
		atomic_fetch_sub(&guarded.inside, 1);
		mutex_unlock(&guarded.mutex);
	}
	return 0;
}

TEST(sync, mutex_lets_in_one)
{
	guarded.count = 0;
	with_threads(THREADS, count_under_mutex, NULL);
	EXPECT_EQ(guarded.count, THREADS * LOCKED_ROUNDS);
	EXPECT(!guarded.crowded);
	EXPECT(mutex_trylock(&guarded.mutex));
	EXPECT(!mutex_trylock(&guarded.mutex));
	EXPECT_EQ(mutex_unlock(&guarded.mutex), 0);
}

static int try_foreign_mutex(void *mutex)
{
	return mutex_trylock(mutex) ? 1 : mutex_unlock(mutex);
}

static int lock_and_unlock(void *mutex)
{
	return mutex_lock(mutex) ? 1 : mutex_unlock(mutex);
}

TEST(sync, mutex_of_another)
{
	struct mutex mutex = { 0 };
	struct thread *waiter;

	capture_start();
	EXPECT_EQ(mutex_unlock(&mutex), -EPERM);
	EXPECT_EQ(mutex_lock(&mutex), 0);
	EXPECT_EQ(mutex_lock(&mutex), -EDEADLK);
	EXPECT_EQ(join(run_on(this_cpu->index, try_foreign_mutex, &mutex)), -EPERM);
	EXPECT_EQ(mutex.owner, this_cpu->current);
	waiter = run_on(this_cpu->index, lock_and_unlock, &mutex);
	REQUIRE(waiter && has_blocked(waiter));
	preempt_disable(); /* else the waiter may run and give it back before we look */
	EXPECT_EQ(mutex_unlock(&mutex), 0);
	EXPECT_EQ(mutex.owner, waiter);
	preempt_enable();
	EXPECT_EQ(join(waiter), 0);
	capture_end();
	EXPECT(capture_has("WARNING: sched: a mutex is unlocked by a thread that does not have it",
			   "WARNING: sched: a mutex is locked again by the thread that has it",
			   "WARNING: sched: a mutex is unlocked by a thread that does not have it"));
}

static struct {
	struct mutex mutex;
	bool tried;
	int error;
} interrupted;

static void __attribute__((noinline)) use_it_in_a_function(void *unused)
{
	(void)unused;
	interrupted.error = mutex_unlock(&interrupted.mutex);
	interrupted.tried = mutex_trylock(&interrupted.mutex);
}

static void use_it_in_a_handler(struct irq_work *work)
{
	(void)work;
	use_it_in_a_function(NULL);
	interrupted.tried |= mutex_trylock(&interrupted.mutex);
}

/* A function or a handler is not the thread that it interrupts, and has nothing of its. */
TEST(sync, mutex_of_the_interrupted_thread)
{
	struct irq_work work = { .func = use_it_in_a_handler };

	EXPECT_EQ(mutex_lock(&interrupted.mutex), 0);
	capture_start();
	smp_call_function_single(this_cpu->index, use_it_in_a_function, NULL, true);
	EXPECT_EQ(interrupted.error, -EPERM);
	interrupted.error = 0;
	irq_work_queue(&work);
	EXPECT(WAIT_UNTIL(!irq_work_is_busy(&work)));
	EXPECT_EQ(interrupted.error, -EPERM);
	EXPECT_EQ(interrupted.mutex.owner, this_cpu->current);
	EXPECT_EQ(mutex_unlock(&interrupted.mutex), 0);
	smp_call_function_single(this_cpu->index, use_it_in_a_function, NULL, true);
	EXPECT(!interrupted.tried && !interrupted.mutex.owner);
	capture_end();
	EXPECT(capture_has("WARNING: sched: a mutex is unlocked", "use_it_in_a_function",
			   "WARNING: sched: a mutex is unlocked", "use_it_in_a_handler"));
}

static struct {
	struct semaphore semaphore;
	atomic_uint inside, most;
} pool;

static int go_down_and_up(void *unused)
{
	(void)unused;
	for (unsigned int i = 0; i < LOCKED_ROUNDS; i++) {
		unsigned int now, most;

		if (down(&pool.semaphore))
			return -EDEADLK;
		now = atomic_fetch_add(&pool.inside, 1) + 1;
		most = atomic_load(&pool.most);
		while (now > most && !atomic_compare_exchange_weak(&pool.most, &most, now))
			;
		if (i % 8 == 0)
			thread_yield();
		atomic_fetch_sub(&pool.inside, 1);
		up(&pool.semaphore);
	}
	return 0;
}

TEST(sync, semaphore_lets_in_so_many)
{
	pool.semaphore = (struct semaphore){ .count = 3 };
	atomic_store(&pool.most, 0);
	with_threads(THREADS, go_down_and_up, NULL);
	EXPECT(atomic_load(&pool.most) >= 1 && atomic_load(&pool.most) <= 3);
	EXPECT_EQ(pool.semaphore.count, 3);
	EXPECT(down_trylock(&pool.semaphore) && down_trylock(&pool.semaphore) &&
	       down_trylock(&pool.semaphore) && !down_trylock(&pool.semaphore));
}

static int errors_inside[6];

static void wait_in_vain(void *info)
{
	static struct completion completion;
	static struct mutex mutex;
	static struct semaphore semaphore;
	static struct wait_queue queue;

	errors_inside[0] = wait_for_completion(&completion);
	errors_inside[1] = mutex_lock(&mutex);
	errors_inside[2] = down(&semaphore);
	errors_inside[3] = wait_event(&queue, false);
	errors_inside[4] = wait_for_completion_timeout(&completion, 1000);
	errors_inside[5] = thread_join(info, NULL);
}

static void expect_refused(void)
{
	for (int i = 0; i < 6; i++) {
		EXPECT_EQ(errors_inside[i], -EDEADLK);
		errors_inside[i] = 0;
	}
	EXPECT_EQ(atomic_load(&this_cpu->current->state), THREAD_RUNNING);
}

static void __attribute__((noinline)) wait_in_vain_elsewhere(void *unused)
{
	static struct mutex mutex;

	(void)unused;
	EXPECT_EQ(mutex_lock(&mutex), -EDEADLK);
}

/*
 * Who may not wait is told so, and does not: in a function, with interrupts or preemption off.
 * The warning comes once for each place, and the place is not in the mutex.
 */
TEST(sync, waits_where_none_may_be)
{
	static bool told;
	atomic_uint count = 0;
	struct thread *thread = make_rt(this_cpu->index, 1, add_one, &count);

	REQUIRE(thread);
	capture_start();
	EXPECT_EQ(smp_call_function_single(this_cpu->index, wait_in_vain, thread, true), 0);
	smp_call_function_single(this_cpu->index, wait_in_vain_elsewhere, NULL, true);
	capture_end();
	expect_refused();
	EXPECT_EQ(capture_has("WARNING: sched: a wait where none may be: interrupts off",
			      "wait_for_completion",
			      "WARNING: sched: a wait where none may be: interrupts off",
			      "mutex_lock", "wait_in_vain_elsewhere"),
		  !told);
	EXPECT_EQ(capture_find(NULL, "WARNING") != NULL, !told);
	told = true;
	irq_disable();
	wait_in_vain(thread);
	irq_enable();
	expect_refused();
	preempt_disable();
	wait_in_vain(thread);
	preempt_enable();
	expect_refused();
	EXPECT_EQ(thread_wake(thread), 1);
	EXPECT_EQ(join(thread), 0);
}

/*
 * What members of the crowd do. Each deed ends as it began: nothing is held, and the
 * member may be on any CPU.
 */
#include "crowd.h"
#include "torture.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/call.h>
#include <kernel/time/sleep.h>
#include <lib/random.h>
#include <tests/kernel/fpu_registers.h>

#define LOCKS     8
#define TOKENS    5
#define SPIN_MAX  2000   /* in TSC ticks */
#define SLEEP_MAX 300000 /* ns */

static struct lock {
	struct mutex mutex;
	uint64_t count; /* guarded by it */
	unsigned int inside;
} locks[LOCKS];

static struct semaphore tokens = { .count = TOKENS };
static atomic_uint holding_tokens;
static _Atomic uint64_t queued;

static uint64_t draw(struct member *member, uint64_t bound)
{
	return random_below(&member->random, bound);
}

static unsigned int draw_cpu(struct member *member)
{
	return torture_online_cpus[draw(member, torture_online_count)];
}

static void spin(struct member *member)
{
	uint64_t start = cycles(), ticks = draw(member, SPIN_MAX);

	while (cycles() - start < ticks)
		cpu_relax();
}

static void yield(struct member *member)
{
	(void)member;
	thread_yield();
}

static void sleep(struct member *member)
{
	sleep_ns(draw(member, SLEEP_MAX));
}

/* Goes to a CPU, and must be there until it says that it may be anywhere. */
static void migrate(struct member *member)
{
	unsigned int cpu = draw_cpu(member);

	thread_pin(member->thread, cpu);
	for (int i = 0; i < 3; i++) {
		if (this_cpu->index != cpu)
			torture_broken(RULE_THREAD_PLACE, NULL,
				       "thread %u is pinned to CPU %u and runs on CPU %u",
				       member->number, cpu, this_cpu->index);
		thread_yield();
	}
	thread_pin(member->thread, ANY_CPU);
}

/* Held to its CPU: the index that it has is the one of the CPU it is on. */
static void stay(struct member *member)
{
	unsigned int cpu = get_cpu();

	spin(member);
	if (this_cpu->index != cpu || this_cpu->current != member->thread)
		torture_broken(RULE_THREAD_PLACE, NULL, "thread %u lost CPU %u, which it held",
			       member->number, cpu);
	put_cpu();
}

static void on_call(void *info)
{
	struct member *member = info;

	if (this_cpu->index != member->call.cpu)
		torture_broken(RULE_THREAD_CALLS, NULL,
			       "a call of thread %u to CPU %u ran on CPU %u", member->number,
			       member->call.cpu, this_cpu->index);
	if (!irqs_disabled())
		torture_broken(RULE_INTERRUPTS, NULL, "a call of thread %u runs with interrupts on",
			       member->number);
	/* In place a CPU counts it as a call to itself. */
	if (!this_cpu->self_calls)
		atomic_fetch_add_explicit(&queued, 1, memory_order_relaxed);
	member->call.out = ~member->call.in;
	atomic_fetch_add_explicit(&member->call.ran, 1, memory_order_relaxed);
}

static void call(struct member *member)
{
	int error;

	member->call.cpu = draw_cpu(member);
	member->call.in = (uint32_t)draw(member, UINT32_MAX);
	error = smp_call_function_single(member->call.cpu, on_call, member, true);
	member->calls++;
	if (error || member->call.out != ~member->call.in ||
	    atomic_load_explicit(&member->call.ran, memory_order_relaxed) != member->calls)
		torture_broken(RULE_THREAD_CALLS, NULL,
			       "call %lu of thread %u to CPU %u: %d, ran %u times in all",
			       member->calls, member->number, member->call.cpu, error,
			       member->call.ran);
}

static void lock(struct member *member)
{
	struct lock *one = &locks[draw(member, LOCKS)];

	if (mutex_lock(&one->mutex))
		torture_broken(RULE_THREAD_LOCKS, NULL, "thread %u was refused a mutex",
			       member->number);
	if (one->inside++)
		torture_broken(RULE_THREAD_LOCKS, NULL, "thread %u is not alone with its mutex",
			       member->number);
	if (!draw(member, 4))
		thread_yield();
	one->count++;
	one->inside--;
	mutex_unlock(&one->mutex);
	member->locked++;
}

static void take_token(struct member *member)
{
	unsigned int now;

	if (down(&tokens))
		torture_broken(RULE_THREAD_LOCKS, NULL, "thread %u was refused a token",
			       member->number);
	now = atomic_fetch_add_explicit(&holding_tokens, 1, memory_order_relaxed);
	if (now >= TOKENS)
		torture_broken(RULE_THREAD_LOCKS, NULL, "%u threads have one of %d tokens", now + 1,
			       TOKENS);
	if (!draw(member, 4))
		sleep(member);
	atomic_fetch_sub_explicit(&holding_tokens, 1, memory_order_relaxed);
	up(&tokens);
}

/*
 * Whatever another waits for, a wake-up without reason must not end it. But every second
 * pair is left alone: it would make good for one that was lost.
 */
static void wake_somebody(struct member *member)
{
	thread_wake(crowd[draw(member, crowd_size) & ~2ull].thread);
}

static int answer(void *number)
{
	return *(unsigned int *)number + 1;
}

static void have_a_child(struct member *member)
{
	const struct thread_args args = { .name = "child", .func = answer, .arg = &member->number };
	struct thread *child;
	int result = 0;

	if (thread_run(&child, &args))
		return; /* no memory for so many */
	thread_join(child, &result);
	if (result != (int)member->number + 1)
		torture_broken(RULE_THREAD_ALONE, NULL, "the child of thread %u returned %d",
			       member->number, result);
}

static const struct {
	const char *name;
	unsigned int weight;
	void (*act)(struct member *member);
} deeds[] = {
	{ "spins", 2, spin },
	{ "yields", 3, yield },
	{ "sleeps", 2, sleep },
	{ "migrates", 3, migrate },
	{ "stays", 2, stay },
	{ "calls", 4, call },
	{ "locks", 4, lock },
	{ "takes a token", 2, take_token },
	{ "wakes somebody", 4, wake_somebody },
	{ "has a child", 1, have_a_child },
};
#define DEEDS    (sizeof(deeds) / sizeof(deeds[0]))
#define WEIGHTS  27
#define EXPECTED 64 /* deeds of a kind must be due, if one is to be missed */

static _Atomic uint64_t done[DEEDS];

static void act(struct member *member)
{
	uint64_t chosen = draw(member, WEIGHTS);
	unsigned int i = 0;

	for (; chosen >= deeds[i].weight; i++)
		chosen -= deeds[i].weight;
	member->doing = deeds[i].name;
	deeds[i].act(member);
	atomic_fetch_add_explicit(&done[i], 1, memory_order_relaxed);
}

void crowd_act(struct member *member)
{
	uint64_t value = draw(member, UINT64_MAX);

	if (atomic_fetch_add_explicit(&member->present, 1, memory_order_relaxed))
		torture_broken(RULE_THREAD_ALONE, NULL, "thread %u runs twice at once",
			       member->number);
	if (member->fpu)
		fpu_set(value);
	act(member);
	if (member->fpu && !fpu_is(value))
		torture_broken(RULE_THREAD_ALONE, NULL, "thread %u has lost its FPU registers",
			       member->number);
	if (irqs_disabled() || preempt_count())
		torture_broken(RULE_THREAD_PLACE, NULL,
			       "thread %u: interrupts %s, preempt count %#x", member->number,
			       irqs_disabled() ? "off" : "on", preempt_count());
	atomic_fetch_sub_explicit(&member->present, 1, memory_order_relaxed);
}

void crowd_meet(struct member *member)
{
	struct member *partner = &crowd[member->number ^ 1];

	member->doing = "meets";
	complete(&partner->partner_came);
	wait_for_completion(&member->partner_came);
}

uint64_t crowd_calls_queued(void)
{
	return atomic_load_explicit(&queued, memory_order_relaxed);
}

void crowd_check_sums(void)
{
	uint64_t locked = 0, counted = 0;

	for (unsigned int i = 0; i < crowd_size; i++)
		locked += crowd[i].locked;
	for (unsigned int i = 0; i < LOCKS; i++)
		counted += locks[i].count;
	if (locked != counted)
		torture_broken(RULE_THREAD_LOCKS, NULL,
			       "mutexes were locked %lu times, counted %lu", locked, counted);
	if (tokens.count != TOKENS)
		torture_broken(RULE_THREAD_LOCKS, NULL, "%u of %d tokens are left", tokens.count,
			       TOKENS);
}

void crowd_check_deeds(void)
{
	uint64_t all = 0;

	for (unsigned int i = 0; i < DEEDS; i++)
		all += atomic_load_explicit(&done[i], memory_order_relaxed);
	for (unsigned int i = 0; i < DEEDS; i++) {
		if (!atomic_load_explicit(&done[i], memory_order_relaxed) &&
		    all * deeds[i].weight / WEIGHTS >= EXPECTED && !torture_failed())
			torture_broken(RULE_ALL_MODES, NULL, "in %lu deeds no thread %s", all,
				       deeds[i].name);
	}
}

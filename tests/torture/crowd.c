/*
 * The crowd: as many members as modes=crowd:N asks for on each CPU. Every eighth round
 * each meets its partner, so that a wake-up that is lost stops two of them; who does not
 * go on is found by that its rounds do not grow.
 *
 * One in eight is of the real-time class, and one in eight uses the FPU. Nobody ends
 * before all have come to their end, for until then anybody may be woken.
 */
#include "crowd.h"
#include "torture.h"
#include <arch/cpu.h>
#include <arch/mm.h>
#include <arch/time.h>
#include <kernel/console/printk.h>
#include <kernel/mm/frames.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wake.h>
#include <kernel/time/tick.h>
#include <lib/random.h>

#define MEMBERS_MAX 4096
#define MEET_EVERY  8
#define SAID_MAX    5

struct member *crowd;
unsigned int crowd_size;
static atomic_bool stopped;
static struct completion may_end;

/* Each meets its partner at least once, however soon the senders are done. */
static bool goes_on(uint64_t round)
{
	if (round <= MEET_EVERY && !torture_failed())
		return true;
	return !atomic_load_explicit(&stopped, memory_order_relaxed);
}

static int live(void *info)
{
	struct member *member = info;

	for (uint64_t round = 1; goes_on(round); round++) {
		if (round % MEET_EVERY)
			crowd_act(member);
		else
			crowd_meet(member);
		atomic_store_explicit(&member->rounds, round, memory_order_relaxed);
	}
	/* The partner may be waiting for the next round. */
	complete_all(&crowd[member->number ^ 1].partner_came);
	member->doing = "has arrived";
	/* Release: who finds it arrived reads what it did. */
	atomic_store_explicit(&member->arrived, true, memory_order_release);
	wait_for_completion(&may_end);
	return 0;
}

static bool make_member(unsigned int number, uint64_t seed)
{
	struct member *member = &crowd[number];
	struct thread_args args = { .name = "crowd",
				    .func = live,
				    .arg = member,
				    .priority = number % 8 == 3 ? 1 + number / 8 % 3 : 0,
				    .fpu = number % 8 == 5 };

	*member = (struct member){ .number = number, .random = seed + number, .fpu = args.fpu };
	member->random = random_next(&member->random);
	return !thread_create(&member->thread, &args);
}

/* An even number: each has a partner. */
static unsigned int size_wanted(void)
{
	unsigned int wanted = torture_chance(CHANCE_CROWD) * torture_online_count;

	return (wanted < MEMBERS_MAX ? wanted : MEMBERS_MAX) & ~1u;
}

static struct member *alloc_members(unsigned int count)
{
	uint64_t size = count * sizeof(struct member);
	uint64_t frames = frames_alloc((size + PAGE_SIZE - 1) / PAGE_SIZE, UINT64_MAX);

	return frames == FRAME_NONE ? NULL : phys_to_virt(frames);
}

/* As many as there is memory for. The odd one out never begins. */
void crowd_start(uint64_t seed)
{
	unsigned int wanted = size_wanted(), made = 0;

	/* Without a tick nobody would let them have a turn. */
	crowd = wanted && tick_period_ns() ? alloc_members(wanted) : NULL;
	while (crowd && made < wanted && make_member(made, seed))
		made++;
	crowd_size = made & ~1u;
	if (wanted && !crowd_size)
		torture_broken(RULE_ALL_MODES, NULL, "of a crowd of %u there is nobody: %s", wanted,
			       tick_period_ns() ? "no memory" : "it needs the tick");
	for (unsigned int i = 0; i < crowd_size; i++)
		thread_wake(crowd[i].thread);
}

/* Acquire: what one that has arrived did is visible. */
static bool has_arrived(const struct member *member)
{
	return atomic_load_explicit(&member->arrived, memory_order_acquire);
}

static bool is_over(const struct member *member)
{
	return thread_is_over(member->thread);
}

static unsigned int count(bool (*is_done)(const struct member *member))
{
	unsigned int done = 0;

	for (unsigned int i = 0; i < crowd_size; i++)
		done += is_done(&crowd[i]);
	return done;
}

static uint64_t rounds_of_all(void)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < crowd_size; i++)
		sum += atomic_load_explicit(&crowd[i].rounds, memory_order_relaxed);
	return sum;
}

static void accuse(bool (*is_done)(const struct member *member))
{
	unsigned int said = 0;

	for (unsigned int i = 0; i < crowd_size && said < SAID_MAX; i++) {
		const struct member *member = &crowd[i];
		const struct thread *thread = member->thread;

		if (is_done(member))
			continue;
		torture_broken(
			RULE_THREAD_WAKES, NULL,
			"thread %u (CPU %u, state %u) %s, and does not go on after %lu rounds", i,
			thread->cpu, thread->state, member->doing ? member->doing : "never began",
			member->rounds);
		said++;
	}
}

void crowd_accuse(void)
{
	accuse(has_arrived);
}

/*
 * Until that is so of all, or nothing moves any more; whether it is. It does not sleep: a
 * sleep that never ends is among what is looked for.
 */
static bool wait_for_all(const char *what, bool (*is_done)(const struct member *member))
{
	uint64_t since = clock_ns(), before = 0, now;
	unsigned int done;

	while ((done = count(is_done)) < crowd_size) {
		now = rounds_of_all() + done;
		if (now != before)
			since = clock_ns();
		before = now;
		if ((int64_t)(clock_ns() - since) > (int64_t)torture_patience_ns())
			break;
		thread_yield();
		cpu_relax();
	}
	if (done == crowd_size)
		return true;
	accuse(is_done);
	torture_broken(RULE_THREAD_WAKES, NULL, "%u of %u threads %s", done, crowd_size, what);
	return false;
}

/* A crowd that hangs is left alone: the run has failed. */
void crowd_end(void)
{
	atomic_store_explicit(&stopped, true, memory_order_relaxed);
	if (!wait_for_all("have arrived", has_arrived))
		return;
	complete_all(&may_end);
	if (!wait_for_all("are over", is_over))
		return;
	for (unsigned int i = 0; i < crowd_size; i++)
		thread_join(crowd[i].thread, NULL);
	crowd_check_sums();
	crowd_check_deeds();
}

void crowd_report(void)
{
	uint64_t calls = 0, locked = 0, moved = 0, ipis = 0, woken = 0;

	for (unsigned int i = 0; i < crowd_size; i++) {
		calls += crowd[i].calls;
		locked += crowd[i].locked;
	}
	for_each_cpu(cpu, &torture_online) {
		moved += cpus[cpu]->moved_away;
		ipis += cpus[cpu]->wakes[WAKE_IPI];
		for (unsigned int i = 0; i < WAKE_OUTCOMES; i++)
			woken += cpus[cpu]->wakes[i];
	}
	printk(",\"crowd\":{\"threads\":%u,\"rounds\":%lu,\"calls\":%lu,\"locked\":%lu,"
	       "\"moved\":%lu,\"wakes\":%lu,\"wakes_by_ipi\":%lu}",
	       crowd_size, rounds_of_all(), calls, locked, moved, woken, ipis);
}

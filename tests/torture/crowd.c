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
#include <kernel/sched/wake.h>
#include <kernel/time/sleep.h>
#include <kernel/time/tick.h>
#include <lib/random.h>

#define MEMBERS_MAX 4096
#define MEET_EVERY  8
#define SAID_MAX    5
#define LOOK_NS     20000000ull

struct member *crowd;
unsigned int crowd_size;
atomic_bool crowd_stopped;
static atomic_uint arrived;
static struct completion may_end;

static int live(void *info)
{
	struct member *member = info;

	for (uint64_t round = 1; !atomic_load_explicit(&crowd_stopped, memory_order_relaxed);
	     round++) {
		if (round % MEET_EVERY)
			crowd_act(member);
		else
			crowd_meet(member);
		atomic_store_explicit(&member->rounds, round, memory_order_relaxed);
	}
	/* The partner may be waiting for the next round. */
	complete_all(&crowd[member->number ^ 1].partner_came);
	member->doing = "has ended";
	atomic_fetch_add_explicit(&arrived, 1, memory_order_release);
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

static unsigned int size_wanted(void)
{
	unsigned int wanted = torture_chance(CHANCE_CROWD) * torture_online_count;

	if (!tick_period_ns())
		return 0; /* nobody would let them have a turn */
	return (wanted < MEMBERS_MAX ? wanted : MEMBERS_MAX) & ~1u;
}

static struct member *alloc_members(unsigned int count)
{
	uint64_t size = count * sizeof(struct member);
	uint64_t frames = frames_alloc((size + PAGE_SIZE - 1) / PAGE_SIZE, UINT64_MAX);

	return frames == FRAME_NONE ? NULL : phys_to_virt(frames);
}

/* As many as there is memory for; an even number. The odd one out never begins. */
void crowd_start(uint64_t seed)
{
	unsigned int wanted = size_wanted(), made = 0;

	crowd = wanted ? alloc_members(wanted) : NULL;
	while (crowd && made < wanted && make_member(made, seed))
		made++;
	crowd_size = made & ~1u;
	for (unsigned int i = 0; i < crowd_size; i++)
		thread_wake(crowd[i].thread);
}

static uint64_t progress(void)
{
	uint64_t sum = atomic_load_explicit(&arrived, memory_order_acquire);

	for (unsigned int i = 0; i < crowd_size; i++)
		sum += atomic_load_explicit(&crowd[i].rounds, memory_order_relaxed);
	return sum;
}

static bool all_arrived(void)
{
	return atomic_load_explicit(&arrived, memory_order_acquire) == crowd_size;
}

void crowd_accuse(void)
{
	unsigned int said = 0;

	for (unsigned int i = 0; i < crowd_size && said < SAID_MAX; i++) {
		const struct member *member = &crowd[i];
		const struct thread *thread = member->thread;

		if (!member->doing || *member->doing == 'h')
			continue;
		torture_broken(
			RULE_THREAD_WAKES, NULL,
			"thread %u (CPU %u, state %u) %s, and does not go on after %lu rounds", i,
			thread->cpu, thread->state, member->doing, member->rounds);
		said++;
	}
}

/* Until all have arrived, or nothing moves any more. */
static bool wait_for_all(void)
{
	uint64_t since = clock_ns(), before = 0, now;

	while (!all_arrived()) {
		now = progress();
		if (now != before)
			since = clock_ns();
		before = now;
		if ((int64_t)(clock_ns() - since) > (int64_t)torture_patience_ns())
			return false;
		sleep_ns(LOOK_NS);
	}
	return true;
}

/* A crowd that hangs is left alone: the run has failed. */
void crowd_end(void)
{
	atomic_store_explicit(&crowd_stopped, true, memory_order_relaxed);
	if (!wait_for_all()) {
		crowd_accuse();
		return;
	}
	complete_all(&may_end);
	for (unsigned int i = 0; i < crowd_size; i++)
		thread_join(crowd[i].thread, NULL);
	crowd_check_sums();
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
	       crowd_size, crowd_size ? progress() : 0, calls, locked, moved, woken, ipis);
}

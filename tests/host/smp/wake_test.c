/*
 * The wake list and its IPIs (kernel/sched/wake.c, wake_list.h), with threads that are played: each
 * is a function that a CPU runs until it blocks. Tokens go from thread to thread; who has none
 * blocks, and who passes one on wakes. A wake-up that is lost leaves its token lying, and with it
 * all that is to come.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/sched/wake_list.h>
#include <kernel/sched/work.h>
#include <kernel/smp/cpu.h>
#include <lib/random.h>
#include <tests/host/smp/host.h>
#include <tests/kernel/test.h>

#define PLAYERS     10
#define HOPS        20000
#define PATIENCE_NS 5000000000ull

enum next { BLOCKS, YIELDS, MOVES };

static struct player {
	struct thread thread;
	uint64_t random;
	atomic_uint tokens;
	atomic_uint played_by; /* how many CPUs run it: one at most */
} players[PLAYERS];

static _Atomic uint64_t hops;
static atomic_bool over;
static bool polling;

static struct player *player_of(struct thread *thread)
{
	return (struct player *)((char *)thread - offsetof(struct player, thread));
}

static void give(struct player *to)
{
	atomic_fetch_add_explicit(&to->tokens, 1, memory_order_acq_rel);
	thread_wake(&to->thread);
	atomic_fetch_add_explicit(&hops, 1, memory_order_relaxed);
}

/*
 * What the thread does until it gives the CPU away. The state, then the tokens: and who passes one
 * on does it the other way round. All are read-modify-writes, so one of the two sees the other.
 */
static enum next play(struct player *player)
{
	unsigned int tokens;

	thread_set_blocked(&player->thread);
	tokens = atomic_exchange_explicit(&player->tokens, 0, memory_order_acq_rel);
	if (!tokens || !thread_set_running(&player->thread)) {
		/* It is woken already, so that it comes back for them. */
		atomic_fetch_add_explicit(&player->tokens, tokens, memory_order_acq_rel);
		return BLOCKS;
	}
	while (tokens--)
		give(&players[random_below(&player->random, PLAYERS)]);
	return random_below(&player->random, 8) ? YIELDS : MOVES;
}

/* As schedule() takes up and leaves threads, but that the stack is this one. Interrupts off. */
static struct thread *choose(struct cpu *cpu, struct thread *before)
{
	unsigned int best;

	clear_need_resched();
	wake_take(cpu, before);
	if (before && before->on_runq)
		runq_add_last(&cpu->runq, before);
	best = runq_best(&cpu->runq);
	wake_tell(cpu, best); /* as if there were a tick: who runs gives the CPU away soon */
	return best == PRIORITY_IDLE ? NULL : runq_take(&cpu->runq, best);
}

static void wait_idle(struct cpu *cpu)
{
	if (!polling) {
		/* Other interrupts, such as the tick's, must not find what RESCHEDULE was lost for. */
		while (!need_resched() && !atomic_load_explicit(&over, memory_order_relaxed))
			cpu_halt_until_interrupt();
		return;
	}
	wake_tell(cpu, WAKE_POLLS);
	irq_enable();
	while (!wake_is_wanted(cpu) && !atomic_load_explicit(&over, memory_order_relaxed))
		cpu_relax();
	irq_disable();
}

/* Its "stack" is left when this returns: only then may another CPU have it. */
static enum next run(struct thread *thread)
{
	struct player *player = player_of(thread);
	enum next next;

	if (atomic_fetch_add_explicit(&player->played_by, 1, memory_order_relaxed))
		host_fail("a thread runs on two CPUs");
	irq_enable();
	next = play(player);
	irq_disable();
	atomic_fetch_sub_explicit(&player->played_by, 1, memory_order_relaxed);
	return next;
}

/* Whether it goes: then it is not this CPU's any more, or will come out of its list and go then. */
static bool move(struct cpu *cpu, struct thread *thread)
{
	unsigned int to = 1 + (unsigned int)random_below(&player_of(thread)->random, host_cpus - 1);

	if (to == cpu->index)
		return false;
	thread->wanted_cpu = to;
	thread->on_runq = false;
	thread_set_special(thread, THREAD_MOVES, 0);
	wake_elsewhere(thread);
	return true;
}

/* The thread, for choose, or NULL if this CPU must not look at it any more. */
static struct thread *after(struct cpu *cpu, struct thread *thread, enum next next)
{
	if (next == MOVES)
		return move(cpu, thread) ? NULL : thread;
	if (next == BLOCKS &&
	    atomic_load_explicit(&thread->state, memory_order_relaxed) != THREAD_RUNNING)
		thread->on_runq = false;
	return thread;
}

static void host_schedule(void *unused)
{
	struct cpu *cpu = this_cpu->self;
	struct thread *thread = NULL;

	(void)unused;
	irq_disable();
	while (!atomic_load_explicit(&over, memory_order_relaxed)) {
		thread = choose(cpu, thread);
		if (thread)
			thread = after(cpu, thread, run(thread));
		else
			wait_idle(cpu);
	}
	irq_enable();
}

/* Nobody plays. What the game before left is thrown away. */
static void make_players(void)
{
	for (unsigned int cpu = 0; cpu < host_cpus; cpu++) {
		llist_del_all(&cpus[cpu]->wake_list);
		runq_init(&cpus[cpu]->runq);
		wake_tell(cpus[cpu], 0);
	}
	for (unsigned int i = 0; i < PLAYERS; i++) {
		struct player *player = &players[i];

		*player = (struct player){ .random = test_seed() + i };
		player->thread.priority = PRIORITY_FAIR;
		player->thread.wanted_cpu = ANY_CPU;
		atomic_store_explicit(&player->thread.cpu, i % host_cpus, memory_order_relaxed);
		atomic_store_explicit(&player->thread.state, THREAD_BLOCKED, memory_order_release);
	}
}

/* CPU 0 wakes the first, and looks whether the tokens go on. */
static void watch_tokens(void)
{
	uint64_t before = 0, since = clock_ns(), now;

	while ((now = atomic_load_explicit(&hops, memory_order_relaxed)) < HOPS) {
		if (now != before)
			since = clock_ns();
		before = now;
		if (clock_ns() - since > PATIENCE_NS)
			host_fail("a wake-up was lost: %lu tokens were passed on, and no more",
				  now);
		host_alive();
		cpu_relax();
	}
}

static void end(void)
{
	atomic_store_explicit(&over, true, memory_order_relaxed);
	for (unsigned int cpu = 1; cpu < host_cpus; cpu++) {
		struct cpu *data = cpus[cpu];

		while (work_busy(cpu)) {
			atomic_store_explicit(&data->poked, true, memory_order_relaxed);
			wake_up_all_idle_cpus();
			cpu_relax();
		}
	}
}

/* One token: what is lost is not found again by chance. Several: wakers meet. */
static void play_game(bool polls, unsigned int tokens)
{
	polling = polls;
	atomic_store_explicit(&hops, 0, memory_order_relaxed);
	atomic_store_explicit(&over, false, memory_order_relaxed);
	make_players();
	for (unsigned int i = 0; i < PLAYERS; i++) {
		/* CPU 0 watches, and has none. */
		if (i % host_cpus == 0)
			atomic_store_explicit(&players[i].thread.cpu, 1, memory_order_release);
	}
	for (unsigned int cpu = 1; cpu < host_cpus; cpu++)
		EXPECT_EQ(work_start(cpu, host_schedule, NULL), 0);
	for (unsigned int i = 0; i < tokens; i++)
		give(&players[i % PLAYERS]);
	watch_tokens();
	end();
}

TEST(host_wake, tokens_while_cpus_halt)
{
	if (host_cpus < 3) {
		test_skip("needs three CPUs");
		return;
	}
	play_game(false, 1);
	play_game(false, 5);
}

TEST(host_wake, tokens_while_cpus_poll)
{
	if (host_cpus < 3) {
		test_skip("needs three CPUs");
		return;
	}
	play_game(true, 1);
	play_game(true, 5);
}

/*
 * A user's pages are open to who opened them, and to no other thread.
 */
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <arch/time.h>
#include <arch/uaccess.h>
#include <kernel/sched/completion.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/cpu.h>

#define RFLAGS_AC (1ul << 18)

static bool are_open(void)
{
	uint64_t flags;

	asm volatile("pushfq; pop %0" : "=r"(flags) : : "memory");
	return flags & RFLAGS_AC;
}

struct visit {
	struct completion wanted;
	atomic_bool opened, over;
	bool open_there, open_before, open_after;
};

/* As if it were in the middle of get_user. */
static int hold_open(void *arg)
{
	struct visit *visit = arg;

	user_access_begin();
	visit->open_before = are_open();
	atomic_store(&visit->opened, true);
	while (!atomic_load(&visit->over))
		cpu_relax();
	visit->open_after = are_open();
	user_access_end();
	return 0;
}

/* Left by waiting: where it goes on nothing gives it flags of its own. */
static int look(void *arg)
{
	struct visit *visit = arg;

	wait_for_completion(&visit->wanted);
	visit->open_there = are_open();
	atomic_store(&visit->over, true);
	return 0;
}

TEST(uaccess, preempted_while_a_users_pages_are_open)
{
	unsigned int cpu = other_cpu(1);
	struct visit visit = { 0 };
	struct thread *looker, *holder;

	if (lacks_cpus(2))
		return;
	if (!arch_has_smap) {
		test_skip("needs SMAP");
		return;
	}
	looker = make_rt(cpu, 1, look, &visit);
	REQUIRE(looker);
	thread_wake(looker);
	EXPECT(has_blocked(looker));
	holder = run_on(cpu, hold_open, &visit);
	REQUIRE(holder);
	EXPECT(WAIT_UNTIL(atomic_load(&visit.opened)));
	complete(&visit.wanted);
	EXPECT(WAIT_UNTIL(atomic_load(&visit.over)));
	join(holder);
	join(looker);
	EXPECT(visit.open_before && !visit.open_there);
	EXPECT(visit.open_after);
}

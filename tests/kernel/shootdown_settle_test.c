/*
 * Settling what is deferred, stopped in the middle by the trap flag.
 */
#include "crew.h"
#include "mm.h"
#include "rival.h"
#include "stuck.h"
#include "test.h"
#include "trap_flag.h"
#include <arch/cpu.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/mm/frames.h>
#include <kernel/sched/work.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>

/* Another CPU's plain counter. */
static uint64_t calls_run(unsigned int cpu)
{
	return *(volatile uint64_t *)&cpus[cpu]->calls_run;
}

/* The other CPU's part of settling is over when this one's begins. */
static struct {
	struct thread *thread;
	unsigned int other;
	uint64_t run; /* calls, by the other */
	bool held, was_first;
} order;

static bool hold_own_part(struct pt_regs *regs)
{
	if (this_cpu->current != order.thread || !this_cpu->self_calls)
		return true;
	order.held = true;
	order.was_first = WAIT_UNTIL(calls_run(order.other) != order.run);
	regs->rflags &= ~RFLAGS_TF;
	return true;
}

static void settle_here_last(unsigned int other)
{
	trap_hook *before = trap_set_hook(TRAP_DB, hold_own_part);
	int error;

	order.thread = this_cpu->current;
	order.other = other;
	order.run = calls_run(other);
	order.held = order.was_first = false;
	set_trap_flag(true);
	error = shootdown_settle(&deferred_scheme, rival_space);
	set_trap_flag(false);
	trap_set_hook(TRAP_DB, before);
	EXPECT_EQ(error, 0);
	EXPECT(order.held && order.was_first);
}

static void unmap_one(void *info)
{
	(void)info;
	aspace_use(rival_space);
	rival_unmap(&deferred_scheme, TEST_BASE, 1);
	aspace_use(NULL);
}

/* Nothing but the settling makes this CPU flush, the only one that is behind. */
TEST(shootdown_scheme, deferred_settled_by_who_is_behind)
{
	unsigned int other = other_cpu(1);
	uint64_t free;

	if (lacks_cpus(2))
		return;
	REQUIRE(rival_begin_few(&deferred_scheme));
	rival_populate(TEST_BASE, 1, 1);
	crew_use(NULL);
	crew_one_uses(this_cpu->index, rival_space);
	EXPECT_EQ(user_word(TEST_BASE), 1);
	free = frames_free();
	EXPECT_EQ(work_start(other, unmap_one, NULL), 0);
	EXPECT(WAIT_UNTIL(!work_busy(other))); /* who sleeps comes back flushed */
	EXPECT_EQ(frames_free(), free);
	settle_here_last(other);
	EXPECT_EQ(frames_free(), free + 1);
	work_wait(other);
	EXPECT_EQ(get_user(&(uint64_t){ 0 }, TEST_BASE), -EFAULT);
	rival_end();
}

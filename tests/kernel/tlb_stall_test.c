/*
 * Shootdowns that take too long: who waits for whom and for what is said, and what is lost on the
 * way is sent again.
 */
#include "capture.h"
#include "crew.h"
#include "mm.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/console/printk.h>
#include <kernel/mm/vmap.h>
#include <kernel/panic.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/stall.h>
#include <kernel/smp/stop.h>
#include <kernel/smp/watch.h>
#include <kernel/sched/work.h>
#include <kernel/time/tick.h>

/* Who reports is fixed: nobody ticks, so only who waits sees it. */
static struct aspace *begin(void)
{
	struct aspace *space = crew_begin_few();

	watch_set_deadline_ns(short_deadline_ns());
	tick_suspend();
	if (!space)
		return NULL;
	EXPECT_EQ(aspace_populate(space, TEST_BASE, 8 * PAGE_SIZE, 1, MAP_WRITE), 0);
	capture_start();
	return space;
}

static void end(struct aspace *space)
{
	capture_end();
	tick_resume();
	watch_set_deadline_ns(0);
	crew_end(space);
}

TEST(tlb_stall, deaf_target)
{
	unsigned int cpu = other_cpu(1);
	struct aspace *space;

	if (lacks_cpus(2))
		return;
	space = begin();
	REQUIRE(space);
	EXPECT(make_deaf(cpu, "STALL: "));
	EXPECT_EQ(aspace_protect(space, TEST_BASE + PAGE_SIZE, 3 * PAGE_SIZE, 0), 0);
	end(space);
	EXPECT(capture_has(text("STALL: CPU %u waits ", this_cpu->index),
			   text("for CPU %u: flush_range(%#lx, 3 pages)", cpu,
				TEST_BASE + PAGE_SIZE),
			   text("on CPU %u TLB_FLUSH is pending (IRR)", cpu),
			   "interrupts off, in spin_deaf+",
			   text("STALL over: CPU %u flushed for CPU %u, unstuck after ", cpu,
				this_cpu->index)));
	EXPECT(!capture_find(NULL, "again"));
}

static bool is_done(const void *done, unsigned int cpu)
{
	(void)cpu;
	return *(const bool *)done;
}

/* It may come to an end while it is looked at. Then nothing was lost. */
TEST(tlb_stall, done_when_it_is_looked_at)
{
	unsigned int cpu = other_cpu(1);
	const bool yes = true, no = false;

	if (lacks_cpus(2))
		return;
	capture_start();
	EXPECT(stall_report_flush(cpu, is_done, &yes, "STALL: a test\n"));
	printk_flush();
	EXPECT(capture_has("STALL: a test\n",
			   "TLB_FLUSH is absent (IRR and ISR), the flush is done"));
	EXPECT(!capture_find(NULL, "again"));
	EXPECT(stall_report_flush(cpu, is_done, &no, "STALL: a test\n"));
	capture_end();
	EXPECT(capture_has("STALL: a test\n", text("TLB_FLUSH is sent to CPU %u again", cpu)));
}

TEST(tlb_stall, all_pages)
{
	unsigned int cpu = other_cpu(1);
	struct aspace *space;

	if (lacks_cpus(2))
		return;
	space = begin();
	REQUIRE(space);
	EXPECT(make_deaf(cpu, "STALL: "));
	EXPECT_EQ(aspace_unmap(space, TEST_BASE, 8 * PAGE_SIZE), 0);
	end(space);
	EXPECT(capture_has("STALL: ", text("for CPU %u: flush_range(all pages)", cpu),
			   "unstuck after "));
}

TEST(tlb_stall, kernel_half)
{
	uint64_t frame = frame_alloc();
	struct aspace *space;
	void *virt;

	if (lacks_cpus(2) || !frame) {
		if (frame)
			frame_free(frame);
		return;
	}
	REQUIRE(!vmap(&frame, 1, 0, &virt) && !vunmap(virt)); /* its tables stay */
	space = begin();
	REQUIRE(space);
	EXPECT_EQ(vmap(&frame, 1, 0, &virt), 0);
	EXPECT(make_deaf(other_cpu(1), "STALL: "));
	EXPECT_EQ(vunmap(virt), 0);
	end(space);
	frame_free(frame);
	EXPECT(capture_has("STALL: ",
			   text("for CPU %u: flush_kernel_range(%#lx, 1 page)", other_cpu(1),
				(uint64_t)virt),
			   "unstuck after "));
}

static atomic_uint seen;

/* The first is acknowledged, and that is all. */
static bool lose_the_first(unsigned int vector)
{
	(void)vector;
	if (atomic_fetch_add(&seen, 1))
		return true;
	arch_ipi_ack();
	return false;
}

TEST(tlb_stall, lost_ipi)
{
	unsigned int cpu = other_cpu(1);
	struct aspace *space;

	if (lacks_cpus(2))
		return;
	space = begin();
	REQUIRE(space);
	crew_use(NULL);
	crew_one_uses(cpu, space);
	crew_one_uses(this_cpu->index, space);
	atomic_store(&seen, 0);
	EXPECT_EQ(ipi_set_filter(TLB_FLUSH_VECTOR, lose_the_first), 0);
	EXPECT_EQ(aspace_protect(space, TEST_BASE, PAGE_SIZE, 0), 0);
	EXPECT_EQ(ipi_set_filter(TLB_FLUSH_VECTOR, NULL), 0);
	end(space);
	EXPECT(atomic_load(&seen) >= 2);
	EXPECT(capture_has(text("STALL: CPU %u waits ", this_cpu->index),
			   text("on CPU %u TLB_FLUSH is absent (IRR and ISR)", cpu),
			   text("TLB_FLUSH is sent to CPU %u again", cpu),
			   text("STALL over: CPU %u flushed", cpu)));
}

struct holder {
	struct aspace *space;
	atomic_bool has_it;
};

/* Keeps the lock until the console heard that somebody waits for it. */
static void hold_lock(void *info)
{
	struct holder *holder = info;

	EXPECT_EQ(aspace_lock(&holder->space->lock), 0);
	atomic_store(&holder->has_it, true);
	EXPECT(WAIT_UNTIL(atomic_load(&capture_heard)));
	aspace_unlock(&holder->space->lock);
}

TEST(tlb_stall, locked_space)
{
	struct holder holder = { 0 };
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	holder.space = begin();
	REQUIRE(holder.space);
	capture_listen_for("STALL: ");
	EXPECT_EQ(work_start(cpu, hold_lock, &holder), 0);
	EXPECT(WAIT_UNTIL(atomic_load(&holder.has_it)));
	EXPECT_EQ(aspace_protect(holder.space, TEST_BASE, PAGE_SIZE, 0), 0);
	work_wait(cpu);
	end(holder.space);
	EXPECT(capture_has(text("STALL: CPU %u waits ", this_cpu->index),
			   text("for an address space that CPU %u has locked", cpu),
			   text("STALL over: CPU %u has the address space", this_cpu->index)));
}

/* As if it were unlocked and locked again at once, before who waits can see it free. */
static void lock_again_and_again(void *info)
{
	struct holder *holder = info;
	struct aspace_lock *lock = &holder->space->lock;

	EXPECT_EQ(aspace_lock(lock), 0);
	atomic_store(&holder->has_it, true);
	EXPECT(WAIT_UNTIL(
		(atomic_fetch_add(&lock->state, LOCK_ONCE), atomic_load(&capture_heard))));
	aspace_unlock(lock);
}

TEST(tlb_stall, a_space_that_goes_from_hand_to_hand)
{
	struct holder holder = { 0 };
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	holder.space = begin();
	REQUIRE(holder.space);
	capture_listen_for("one after the other");
	EXPECT_EQ(work_start(cpu, lock_again_and_again, &holder), 0);
	EXPECT(WAIT_UNTIL(atomic_load(&holder.has_it)));
	EXPECT_EQ(aspace_protect(holder.space, TEST_BASE, PAGE_SIZE, 0), 0);
	work_wait(cpu);
	end(holder.space);
	EXPECT(capture_has(text("STALL: CPU %u waits ", this_cpu->index),
			   "for an address space that others lock one after the other",
			   text("STALL over: CPU %u has the address space", this_cpu->index)));
}

static struct aspace *waiters_space;

static void wait_for_flush(void *info)
{
	(void)info;
	aspace_protect(waiters_space, TEST_BASE, 3 * PAGE_SIZE, 0);
}

static bool is_waiting(unsigned int cpu)
{
	struct wait_seen wait;

	return waiting_look(cpu, &wait) && wait.target == 2 && wait.pages == 3;
}

/* What a panic says about a CPU that waits for a flush. CPU 2 never answers. */
TEST(deliberate, panic_while_one_flushes)
{
	waiters_space = begin();
	REQUIRE(waiters_space);
	capture_end();
	crew_use(NULL);
	crew_one_uses(2, waiters_space);
	make_deaf(2, "what is never said");
	work_start(1, wait_for_flush, NULL);
	WAIT_UNTIL(is_waiting(1));
	panic("asked for, while CPU 1 waits for a flush");
}

/* A CPU that was stopped for good uses nothing any more; nobody waits for it. */
TEST(deliberate, shootdown_after_a_stop)
{
	struct cpumask one = { 0 };
	struct aspace *space = crew_begin_few();

	REQUIRE(space);
	EXPECT_EQ(aspace_populate(space, TEST_BASE, 2 * PAGE_SIZE, 1, MAP_WRITE), 0);
	crew_expect(TEST_BASE, 0);
	cpumask_set(&one, 1);
	smp_stop_cpus(&one);
	cpumask_clear(&crew, 1);
	EXPECT_EQ(aspace_unmap(space, TEST_BASE, PAGE_SIZE), 0);
	EXPECT_EQ(aspace_unmap(space, TEST_BASE + PAGE_SIZE, PAGE_SIZE), 0);
	EXPECT_EQ(flush_tlb_all(), 0);
	crew_expect_no_pages(TEST_BASE, 2);
	crew_use(NULL);
}

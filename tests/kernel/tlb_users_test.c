/*
 * Shootdown: whom it interrupts, and whom it need not: who left a space, idles on its tables, or
 * comes back to it.
 */
#include "crew.h"
#include "mm.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <kernel/sched/work.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>

/* Whom it does not concern is never interrupted: users of another space, and who idles. */
TEST(tlb, only_users_are_interrupted)
{
	unsigned int cpu = other_cpu(1), idle = other_cpu(2), foreign = other_cpu(3);
	struct aspace *space, *other;
	uint64_t at_user, at_idle, at_foreign;

	if (cpumask_weight(&cpu_online_mask) < 4) {
		test_skip("needs four CPUs");
		return;
	}
	space = crew_begin();
	REQUIRE(space);
	other = aspace_create();
	REQUIRE(other);
	crew_map_neighbour(space);
	crew_populate(space, TEST_BASE, 100, 1);
	crew_use(NULL);
	aspace_use(space);
	crew_one_uses(cpu, space);
	crew_one_uses(foreign, other);
	at_user = crew_flushes(cpu);
	at_idle = crew_flushes(idle);
	at_foreign = crew_flushes(foreign);
	for (uint64_t i = 0; i < 50; i++)
		EXPECT_EQ(aspace_unmap(space, TEST_BASE + i * PAGE_SIZE, PAGE_SIZE), 0);
	EXPECT_EQ(aspace_protect(space, TEST_BASE + 50 * PAGE_SIZE, 50 * PAGE_SIZE, 0), 0);
	EXPECT_EQ(crew_flushes(cpu) - at_user, 51);
	EXPECT_EQ(crew_flushes(idle), at_idle);
	EXPECT_EQ(crew_flushes(foreign), at_foreign);
	crew_one_uses(foreign, NULL);
	EXPECT_EQ(aspace_destroy(other), 0);
	crew_end(space);
}

/*
 * That a CPU is not among the users any more is all that tells that its accesses are over: nothing
 * else orders them before the frame is given to somebody else.
 */
struct guest {
	struct aspace *space;
	atomic_bool left;
};

static void look_and_leave(void *info)
{
	struct guest *guest = info;
	uint64_t value;

	aspace_use(guest->space);
	EXPECT_EQ(get_user(&value, TEST_BASE), 0);
	aspace_use(NULL);
	atomic_store_explicit(&guest->left, true, memory_order_relaxed);
}

TEST(tlb, who_left_has_finished)
{
	struct guest guest = { 0 };
	unsigned int cpu = other_cpu(1);

	if (lacks_cpus(2))
		return;
	guest.space = crew_begin();
	REQUIRE(guest.space);
	crew_populate(guest.space, TEST_BASE, 1, 1);
	crew_use(NULL);
	EXPECT_EQ(work_start(cpu, look_and_leave, &guest), 0);
	EXPECT(WAIT_UNTIL(atomic_load_explicit(&guest.left, memory_order_relaxed)));
	EXPECT_EQ(aspace_unmap(guest.space, TEST_BASE, PAGE_SIZE), 0);
	work_wait(cpu);
	crew_end(guest.space);
}

/* Who idled meanwhile, and who was elsewhere, sees all when it comes back. */
TEST(tlb, who_was_away_catches_up)
{
	struct aspace *space = crew_begin(), *other = aspace_create();

	REQUIRE(space && other);
	crew_map_neighbour(space);
	crew_populate(space, TEST_BASE, 4, 1);
	for (uint64_t round = 0; round < 4; round++) {
		uint64_t at = TEST_BASE + round * PAGE_SIZE;

		crew_expect(at, 1 + round);
		crew_use(round % 2 ? other : NULL);
		aspace_use(space);
		EXPECT_EQ(aspace_unmap(space, at, PAGE_SIZE), 0);
		if (round > 1) { /* missed two generations */
			EXPECT_EQ(aspace_populate(space, at, PAGE_SIZE, 1, MAP_WRITE), 0);
			EXPECT_EQ(aspace_unmap(space, at, PAGE_SIZE), 0);
		}
		crew_use(space);
		crew_expect_fault(at);
	}
	EXPECT_EQ(aspace_destroy(other), 0);
	crew_end(space);
}

/* More spaces than a CPU remembers apart, all alike but for what is in them. */
TEST(tlb, many_spaces)
{
	struct aspace *spaces[TLB_TAGS + 3] = { crew_begin() };
	unsigned int count = sizeof(spaces) / sizeof(spaces[0]);

	REQUIRE(spaces[0]);
	for (unsigned int i = 0; i < count; i++) {
		if (i)
			spaces[i] = aspace_create();
		REQUIRE(spaces[i]);
		crew_use(spaces[i]);
		crew_populate(spaces[i], TEST_BASE, 1, 100 + i);
	}
	for (unsigned int i = 0; i < 3 * count; i++) {
		crew_use(spaces[i % count]);
		crew_expect(TEST_BASE, 100 + i % count);
	}
	crew_use(spaces[0]);
	for (unsigned int i = 1; i < count; i++)
		EXPECT_EQ(aspace_destroy(spaces[i]), 0);
	crew_end(spaces[0]);
}

/* Who idles on tables is told when some of them are freed, and only then. */
TEST(tlb, freed_tables_are_left)
{
	unsigned int cpu = other_cpu(1);
	struct aspace *space;
	uint64_t flushes;

	if (lacks_cpus(2))
		return;
	space = crew_begin();
	REQUIRE(space);
	crew_populate(space, TEST_BASE, 2, 1);
	crew_one_uses(cpu, NULL);
	flushes = crew_flushes(cpu);
	EXPECT_EQ(aspace_unmap(space, TEST_BASE, PAGE_SIZE), 0);
	EXPECT_EQ(crew_flushes(cpu), flushes);
	EXPECT(atomic_load(&cpus[cpu]->tlb.loaded) == space);
	EXPECT_EQ(aspace_unmap(space, TEST_BASE + PAGE_SIZE, PAGE_SIZE), 0);
	EXPECT_EQ(crew_flushes(cpu), flushes + 1);
	EXPECT(atomic_load(&cpus[cpu]->tlb.loaded) == &aspace_none);
	crew_one_uses(cpu, space);
	crew_expect_no_pages(TEST_BASE, 2);
	crew_populate(space, TEST_BASE, 1, 3);
	crew_end(space);
}

/*
 * One that idled when it was told has come, has answered, and idles again when its answer is looked
 * at: it keeps its tables, of which some are freed, and that must be answer enough. The one before
 * it in the row is deaf for so long.
 */
struct visit {
	struct aspace *space;
	atomic_bool over;
};

static bool is_pending(enum ipi_vector vector)
{
	uint32_t pending, in_service;

	arch_ipi_state(&pending, &in_service);
	return pending & ipi_bit(vector);
}

static void be_deaf(void *info)
{
	struct visit *visit = info;

	WAIT_UNTIL(atomic_load(&visit->over));
}

static void come_and_go(void *info)
{
	struct visit *visit = info;

	WAIT_UNTIL(is_pending(TLB_FLUSH_VECTOR));
	aspace_switch(visit->space);
	irq_enable();
	cpu_relax(); /* the interrupt comes now, and finds nothing to do */
	irq_disable();
	aspace_switch(NULL);
	atomic_store(&visit->over, true);
}

static void unmap_page(void *info)
{
	const struct visit *visit = info;

	EXPECT_EQ(aspace_unmap(visit->space, TEST_BASE, PAGE_SIZE), 0);
}

TEST(tlb, who_came_and_went_has_answered)
{
	unsigned int deaf_one = other_cpu(1), visitor = other_cpu(2);
	struct visit visit = { 0 };

	if (cpumask_weight(&cpu_online_mask) < 4) {
		test_skip("needs four CPUs");
		return;
	}
	visit.space = crew_begin();
	REQUIRE(visit.space);
	crew_populate(visit.space, TEST_BASE, 1, 1);
	crew_one_uses(visitor, NULL);
	EXPECT_EQ(smp_call_function_single(deaf_one, be_deaf, &visit, false), 0);
	EXPECT_EQ(smp_call_function_single(visitor, come_and_go, &visit, false), 0);
	EXPECT_EQ(work_run(other_cpu(3), unmap_page, &visit), 0);
	crew_one_uses(visitor, visit.space);
	crew_expect_fault(TEST_BASE);
	crew_end(visit.space);
}

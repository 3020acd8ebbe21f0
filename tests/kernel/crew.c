/*
 * The crew looks through addresses in the handlers of calls: what their CPUs remember stays, and a
 * fault is an answer, which nobody serves there.
 */
#include "crew.h"
#include "mm.h"
#include "poison.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/time.h>
#include <kernel/mm/frames.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>
#include <lib/string.h>

#define FEW  4
#define MANY 16 /* where there are more CPUs than CREW_MAX */

struct cpumask crew;

static uint64_t free_before, late_before;

struct look {
	uint64_t start, count, first;
	bool mapped, writes, may_write;
};

static void choose_crew(unsigned int most)
{
	memset(&crew, 0, sizeof(crew));
	for_each_cpu(cpu, &cpu_online_mask) {
		if (most)
			cpumask_set(&crew, cpu);
		most -= most > 0;
	}
}

/* The thread that the call interrupts uses it: the idle thread, or the test's own. */
static void use(void *space)
{
	aspace_use(space);
}

static bool is_idle(const struct cpu *cpu)
{
	return cpu->current == cpu->idle;
}

/* Whoever ended a work there may not have left its CPU yet. */
static void wait_until_idle(unsigned int cpu)
{
	if (cpu != this_cpu->index)
		EXPECT(WAIT_UNTIL(is_idle(cpus[cpu])));
}

void crew_use(struct aspace *space)
{
	for_each_cpu(cpu, &crew)
		wait_until_idle(cpu);
	EXPECT_EQ(on_each_cpu_mask(&crew, use, space, true), 0);
}

void crew_one_uses(unsigned int cpu, struct aspace *space)
{
	wait_until_idle(cpu);
	EXPECT_EQ(smp_call_function_single(cpu, use, space, true), 0);
}

static struct aspace *begin(unsigned int most)
{
	struct aspace *space;

	choose_crew(most);
	frames_poison(true);
	free_before = frames_free();
	late_before = frames_late_writes();
	space = aspace_create();
	if (!space)
		test_fail(__FILE__, __LINE__, "no memory for a space");
	else
		crew_use(space);
	return space;
}

struct aspace *crew_begin(void)
{
	return begin(cpumask_weight(&cpu_online_mask) > CREW_MAX ? MANY : CREW_MAX);
}

struct aspace *crew_begin_few(void)
{
	return begin(FEW);
}

void crew_end(struct aspace *space)
{
	crew_use(NULL);
	EXPECT_EQ(aspace_destroy(space), 0);
	frames_poison(false);
	EXPECT_EQ(frames_free(), free_before);
	EXPECT_EQ(frames_late_writes(), late_before);
	EXPECT_EQ(poison_broken(), 0);
}

static void wrong(uint64_t address, const char *what, uint64_t seen)
{
	test_fail(__FILE__, __LINE__, "%#lx on CPU %u: %s, found %#lx", address, this_cpu->index,
		  what, seen);
}

static void look_at_page(const struct look *look, uint64_t page)
{
	uint64_t address = look->start + page * PAGE_SIZE, seen = 0;
	int error = get_user(&seen, address);

	if (look->mapped && error)
		wrong(address, "a fault where a page is", 0);
	else if (!look->mapped && !error)
		wrong(address, "no fault where no page is", seen);
	else if (look->mapped && seen != look->first + page)
		wrong(address, "not what is there", seen);
	if (look->writes && !put_user(look->first + page, address) != look->may_write)
		wrong(address, look->may_write ? "it cannot be written" : "it can be written", 0);
}

static void look_at_pages(void *info)
{
	const struct look *look = info;

	for (uint64_t page = 0; page < look->count; page++)
		look_at_page(look, page);
}

static void all_look(struct look look)
{
	EXPECT_EQ(on_each_cpu_mask(&crew, look_at_pages, &look, true), 0);
}

void crew_expect(uint64_t address, uint64_t value)
{
	all_look((struct look){ address, 1, value, .mapped = true });
}

void crew_expect_fault(uint64_t address)
{
	all_look((struct look){ address, 1, 0, .writes = true });
}

void crew_expect_read_only(uint64_t address, uint64_t value)
{
	all_look((struct look){ address, 1, value, .mapped = true, .writes = true });
}

void crew_expect_pages(uint64_t start, uint64_t count, uint64_t first)
{
	all_look((struct look){ start, count, first, .mapped = true });
}

void crew_expect_no_pages(uint64_t start, uint64_t count)
{
	all_look((struct look){ start, count, 0, .writes = true });
}

void crew_fill(uint64_t start, uint64_t count, uint64_t first)
{
	for (uint64_t page = 0; page < count; page++)
		EXPECT_EQ(put_user(first + page, start + page * PAGE_SIZE), 0);
}

void crew_populate(struct aspace *space, uint64_t start, uint64_t count, uint64_t first)
{
	EXPECT_EQ(aspace_populate(space, start, count * PAGE_SIZE, 1, MAP_WRITE), 0);
	crew_fill(start, count, first);
	crew_expect_pages(start, count, first);
}

void crew_map_neighbour(struct aspace *space)
{
	EXPECT_EQ(aspace_populate(space, TEST_BASE + 2 * MB - PAGE_SIZE, PAGE_SIZE, 1, 0), 0);
}

/* Another CPU's plain counter: an old value is as good as a look a little earlier. */
uint64_t __attribute__((no_sanitize_thread)) crew_taken(unsigned int cpu, unsigned int vector)
{
	return *(volatile uint64_t *)&cpus[cpu]->irq_count[vector];
}

uint64_t crew_flushes(unsigned int cpu)
{
	return crew_taken(cpu, TLB_FLUSH_VECTOR);
}

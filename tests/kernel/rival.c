/*
 * Helpers for the tests of the ways of shootdown.
 */
#include "rival.h"
#include "crew.h"
#include "mm.h"
#include "test.h"
#include <arch/ipi.h>
#include <arch/mm.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/time/tick.h>

struct aspace *rival_space;

static bool begin(const struct shootdown_scheme *scheme, struct aspace *(*make_crew)(void))
{
	test_about(scheme->name);
	tick_suspend();
	EXPECT_EQ(shootdown_scheme_use(scheme), 0);
	rival_space = make_crew();
	if (rival_space)
		crew_map_neighbour(rival_space);
	return rival_space;
}

bool rival_begin(const struct shootdown_scheme *scheme)
{
	return begin(scheme, crew_begin);
}

bool rival_begin_few(const struct shootdown_scheme *scheme)
{
	return begin(scheme, crew_begin_few);
}

void rival_end(void)
{
	crew_end(rival_space);
	EXPECT_EQ(shootdown_scheme_use(NULL), 0);
	tick_resume();
	test_about(NULL);
}

void rival_populate(uint64_t start, uint64_t count, uint64_t first)
{
	EXPECT_EQ(aspace_populate(rival_space, start, count * PAGE_SIZE, 1, MAP_WRITE), 0);
	crew_fill(start, count, first);
	crew_expect_pages(start, count, first);
}

void rival_unmap(const struct shootdown_scheme *scheme, uint64_t start, uint64_t count)
{
	EXPECT_EQ(shootdown_unmap(scheme, rival_space, start, count * PAGE_SIZE), 0);
}

static void tick(void *info)
{
	(void)info;
	deferred_tick();
}

void rival_tick(unsigned int cpu)
{
	EXPECT_EQ(smp_call_function_single(cpu, tick, NULL, true), 0);
}

void rival_settle(const struct shootdown_scheme *scheme)
{
	if (scheme->settle)
		EXPECT_EQ(on_each_cpu(tick, NULL, true), 0);
	EXPECT_EQ(shootdown_settle(scheme, rival_space), 0);
}

/* Plain counters of other CPUs. */
uint64_t __attribute__((no_sanitize_thread)) rival_sent(void)
{
	uint64_t sent = 0;

	for_each_cpu(cpu, &cpu_online_mask)
		sent += cpus[cpu]->ipi_sent[TLB_FLUSH_VECTOR] + cpus[cpu]->ipi_sent[EXAMPLE_VECTOR];
	return sent;
}

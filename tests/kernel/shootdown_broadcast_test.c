/*
 * What the broadcast shootdown promises beside what all do: whom it interrupts, and that it waits.
 */
#include "crew.h"
#include "mm.h"
#include "rival.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/time.h>
#include <kernel/sched/work.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>

/* Every CPU that is online, whether or not it uses the rival_space; the kernel's own vector is silent. */
TEST(shootdown_scheme, broadcast_is_one_ipi_each)
{
	static uint64_t before[MAX_CPUS], flushes[MAX_CPUS];
	unsigned int online = cpumask_weight(&cpu_online_mask);
	uint64_t sent;

	REQUIRE(rival_begin(&broadcast_scheme));
	rival_populate(TEST_BASE, 3, 1);
	crew_use(NULL);
	for_each_cpu(cpu, &cpu_online_mask) {
		before[cpu] = crew_taken(cpu, EXAMPLE_VECTOR);
		flushes[cpu] = crew_flushes(cpu);
	}
	sent = rival_sent();
	for (uint64_t page = 0; page < 3; page++)
		rival_unmap(&broadcast_scheme, TEST_BASE + page * PAGE_SIZE, 1);
	EXPECT_EQ(rival_sent() - sent, 3 * (online - 1));
	for_each_cpu(cpu, &cpu_online_mask) {
		EXPECT_EQ(crew_taken(cpu, EXAMPLE_VECTOR) - before[cpu],
			  cpu == this_cpu->index ? 0 : 3);
		EXPECT_EQ(crew_flushes(cpu), flushes[cpu]);
	}
	rival_end();
}

/* A CPU that is deaf has not flushed: who unmaps waits for it. */
struct deaf_reader {
	unsigned int unmapper;
	uint64_t sent; /* by the one who unmaps, before */
	atomic_bool unmapped;
	bool saw_old_after, saw_other;
};

static uint64_t __attribute__((no_sanitize_thread)) sent_by(unsigned int cpu)
{
	return *(volatile uint64_t *)&cpus[cpu]->ipi_sent[EXAMPLE_VECTOR];
}

static void unmap_page(void *info)
{
	struct deaf_reader *reader = info;

	rival_unmap(&broadcast_scheme, TEST_BASE, 1);
	atomic_store(&reader->unmapped, true);
}

#define DEAF_NS 20000000

/* Interrupts are off here; what is seen is nobody else's yet. */
static void read_while_deaf(void *info)
{
	struct deaf_reader *reader = info;
	uint64_t value, start;

	get_user(&value, TEST_BASE);
	WAIT_UNTIL(sent_by(reader->unmapper) != reader->sent);
	for (start = clock_ns(); clock_ns() - start < DEAF_NS && !reader->saw_old_after;) {
		bool unmapped = atomic_load(&reader->unmapped);

		if (!get_user(&value, TEST_BASE)) {
			reader->saw_old_after = unmapped;
			reader->saw_other |= value != 1;
		}
		cpu_relax();
	}
}

TEST(shootdown_scheme, broadcast_waits_for_all)
{
	struct deaf_reader reader = { .unmapper = other_cpu(1) };
	unsigned int cpu = other_cpu(2);

	if (lacks_cpus(3))
		return;
	REQUIRE(rival_begin(&broadcast_scheme));
	rival_populate(TEST_BASE, 1, 1);
	reader.sent = sent_by(reader.unmapper);
	EXPECT_EQ(smp_call_function_single(cpu, read_while_deaf, &reader, false), 0);
	EXPECT_EQ(work_run(reader.unmapper, unmap_page, &reader), 0);
	EXPECT(atomic_load(&reader.unmapped) && !reader.saw_old_after && !reader.saw_other);
	crew_expect_fault(TEST_BASE);
	rival_end();
}

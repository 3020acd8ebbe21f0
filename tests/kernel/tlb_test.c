/*
 * Shootdown: after each way to change a space, no CPU that uses it may see what was there before.
 */
#include "crew.h"
#include "mm.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/mmu.h>
#include <arch/time.h>
#include <kernel/mm/batch.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/table.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/sched/work.h>
#include <lib/errno.h>

/* Another CPU's plain counter: an old value only makes us look once more. */
static uint64_t __attribute__((no_sanitize_thread)) sent_by(unsigned int cpu)
{
	return *(volatile uint64_t *)&cpus[cpu]->ipi_sent[TLB_FLUSH_VECTOR];
}

TEST(tlb, unmap_is_seen)
{
	struct aspace *space = crew_begin();

	REQUIRE(space);
	crew_map_neighbour(space);
	for (uint64_t round = 1; round <= 10; round++) {
		crew_populate(space, TEST_BASE, 1, round * 100);
		EXPECT_EQ(aspace_unmap(space, TEST_BASE, PAGE_SIZE), 0);
		crew_expect_fault(TEST_BASE);
	}
	crew_end(space);
}

/* Ranges of every length around the threshold, with a page at either side that must stay. */
TEST(tlb, ranges_have_both_ends)
{
	struct aspace *space = crew_begin();
	uint64_t lengths[] = { 1, 2, 3, tlb_full - 1, tlb_full, tlb_full + 1, 3 * tlb_full };

	REQUIRE(space);
	for (unsigned int i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint64_t count = lengths[i], from = TEST_BASE + PAGE_SIZE;

		crew_populate(space, TEST_BASE, count + 2, 1000 * i);
		EXPECT_EQ(aspace_protect(space, from, count * PAGE_SIZE, 0), 0);
		for (uint64_t page = 0; page < count; page++)
			crew_expect_read_only(from + page * PAGE_SIZE, 1000 * i + 1 + page);
		EXPECT_EQ(aspace_unmap(space, from, count * PAGE_SIZE), 0);
		crew_expect_no_pages(from, count);
		crew_expect(TEST_BASE, 1000 * i);
		crew_expect(from + count * PAGE_SIZE, 1000 * i + count + 1);
		EXPECT_EQ(aspace_unmap(space, TEST_BASE, PAGE_SIZE), 0);
		EXPECT_EQ(aspace_unmap(space, from + count * PAGE_SIZE, PAGE_SIZE), 0);
	}
	crew_end(space);
}

TEST(tlb, protection_is_seen)
{
	struct aspace *space = crew_begin();

	REQUIRE(space);
	crew_populate(space, TEST_BASE, 2, 7);
	EXPECT_EQ(aspace_protect(space, TEST_BASE, PAGE_SIZE, 0), 0);
	crew_expect_read_only(TEST_BASE, 7);
	crew_expect(TEST_BASE + PAGE_SIZE, 8);
	EXPECT_EQ(aspace_unmap(space, TEST_BASE, PAGE_SIZE), 0);
	crew_expect_fault(TEST_BASE);
	crew_end(space);
}

/* Another frame at the same address. */
TEST(tlb, new_frame_is_seen)
{
	struct aspace *space = crew_begin();

	REQUIRE(space);
	crew_map_neighbour(space);
	crew_populate(space, TEST_BASE, 1, 0);
	for (uint64_t round = 1; round <= 10; round++) {
		uint64_t frame = frame_alloc();

		REQUIRE(frame);
		*(uint64_t *)phys_to_virt(frame) = round;
		EXPECT_EQ(aspace_unmap(space, TEST_BASE, PAGE_SIZE), 0);
		EXPECT_EQ(aspace_map(space, TEST_BASE, frame, PAGE_SIZE, 1, 0), 0);
		page_put(frame, 1);
		crew_expect(TEST_BASE, round);
	}
	crew_end(space);
}

TEST(tlb, large_pages)
{
	struct aspace *space = crew_begin();

	REQUIRE(space);
	for (uint64_t round = 1; round <= 2; round++) {
		EXPECT_EQ(aspace_populate(space, TEST_BASE, 4 * MB, 2, MAP_WRITE), 0);
		crew_fill(TEST_BASE, 1024, round << 32);
		crew_expect_pages(TEST_BASE, 1024, round << 32);
		EXPECT_EQ(aspace_protect(space, TEST_BASE + 2 * MB, 2 * MB, 0), 0);
		crew_expect_read_only(TEST_BASE + 2 * MB, (round << 32) + 512);
		crew_expect_read_only(TEST_BASE + 4 * MB - PAGE_SIZE, (round << 32) + 1023);
		EXPECT_EQ(aspace_unmap(space, TEST_BASE + 2 * MB, 2 * MB), 0);
		crew_expect_no_pages(TEST_BASE + 2 * MB, 512);
		crew_expect_pages(TEST_BASE, 512, round << 32);
		EXPECT_EQ(aspace_unmap(space, TEST_BASE, 2 * MB), 0);
		crew_expect_no_pages(TEST_BASE, 1024);
	}
	crew_end(space);
}

/* The table goes with its only page, and comes back for another one, in another frame. */
TEST(tlb, tables_go_and_come)
{
	struct aspace *space = crew_begin();

	REQUIRE(space);
	for (uint64_t round = 1; round <= 5; round++) {
		crew_populate(space, TEST_BASE, 1, round);
		EXPECT_EQ(space->tables, 3);
		EXPECT_EQ(aspace_unmap(space, TEST_BASE, PAGE_SIZE), 0);
		EXPECT_EQ(space->tables, 0);
		crew_expect_fault(TEST_BASE);
		crew_populate(space, TEST_BASE + GB, 1, round + 1);
		crew_expect_fault(TEST_BASE);
		EXPECT_EQ(aspace_unmap(space, TEST_BASE + GB, PAGE_SIZE), 0);
	}
	crew_end(space);
}

TEST(tlb, split_and_merge_keep_the_contents)
{
	struct aspace *space = crew_begin();
	struct aspace_page page;

	REQUIRE(space);
	EXPECT_EQ(aspace_populate(space, TEST_BASE, 2 * MB, 2, MAP_WRITE), 0);
	crew_fill(TEST_BASE, 512, 5000);
	crew_expect_pages(TEST_BASE, 512, 5000);
	EXPECT_EQ(aspace_split(space, TEST_BASE + MB), 0);
	EXPECT_EQ(aspace_walk(space, TEST_BASE, &page), 0);
	EXPECT_EQ(page.level, 1);
	crew_expect_pages(TEST_BASE, 512, 5000);
	EXPECT_EQ(aspace_merge(space, TEST_BASE), 0);
	EXPECT_EQ(aspace_walk(space, TEST_BASE, &page), 0);
	EXPECT_EQ(page.level, 2);
	crew_expect_pages(TEST_BASE, 512, 5000);
	/* The pieces of a block can go one by one. */
	EXPECT_EQ(aspace_unmap(space, TEST_BASE + PAGE_SIZE, PAGE_SIZE), 0);
	crew_expect_fault(TEST_BASE + PAGE_SIZE);
	crew_expect(TEST_BASE, 5000);
	crew_end(space);
}

/* The large page is a copy: who still remembered the small ones would see them poisoned. */
TEST(tlb, merge_moves_what_is_not_in_a_row)
{
	struct aspace *space = crew_begin();
	struct aspace_page page;

	REQUIRE(space);
	EXPECT_EQ(aspace_populate(space, TEST_BASE, 2 * MB, 1, MAP_WRITE), 0);
	crew_fill(TEST_BASE, 512, 9000);
	crew_expect_pages(TEST_BASE, 512, 9000);
	EXPECT_EQ(aspace_merge(space, TEST_BASE), 0);
	EXPECT_EQ(aspace_walk(space, TEST_BASE, &page), 0);
	EXPECT_EQ(page.level, 2);
	EXPECT_EQ(page.flags, MAP_WRITE | MAP_USER);
	crew_expect_pages(TEST_BASE, 512, 9000);
	EXPECT_EQ(aspace_merge(space, TEST_BASE), -EINVAL);
	crew_end(space);
}

/* One shootdown for 64 unmaps, and nothing is freed before it. */
TEST(tlb, a_batch_is_one_shootdown)
{
	uint64_t before[CREW_MAX] = { 0 };
	struct aspace *space = crew_begin();
	struct tlb_batch batch;
	uint64_t free;

	REQUIRE(space);
	crew_populate(space, TEST_BASE, 128, 1);
	for_each_cpu(cpu, &crew)
		before[cpu % CREW_MAX] = crew_flushes(cpu);
	free = frames_free();
	REQUIRE(!tlb_batch_begin(&batch, space));
	for (uint64_t i = 0; i < 64; i++)
		EXPECT_EQ(tlb_batch_unmap(&batch, TEST_BASE + 2 * i * PAGE_SIZE, PAGE_SIZE), 0);
	EXPECT_EQ(frames_free(), free);
	tlb_batch_end(&batch);
	EXPECT_EQ(frames_free(), free + 64);
	for_each_cpu(cpu, &crew)
		EXPECT_EQ(crew_flushes(cpu) - before[cpu % CREW_MAX], cpu != this_cpu->index);
	for (uint64_t i = 0; i < 64; i++) {
		crew_expect_fault(TEST_BASE + 2 * i * PAGE_SIZE);
		crew_expect(TEST_BASE + (2 * i + 1) * PAGE_SIZE, 2 * i + 2);
	}
	crew_end(space);
}

/* More than a batch holds: flushed early, and nothing of it is lost. */
TEST(tlb, a_full_batch)
{
	uint64_t count = 2 * TLB_BATCH_PAGES + 10;
	struct aspace *space = crew_begin();
	uint64_t free;

	REQUIRE(space);
	crew_populate(space, TEST_BASE, count + 1, 40);
	free = frames_free();
	EXPECT_EQ(aspace_unmap(space, TEST_BASE, count * PAGE_SIZE), 0);
	EXPECT_EQ(frames_free(), free + count);
	crew_expect_no_pages(TEST_BASE, count);
	crew_expect(TEST_BASE + count * PAGE_SIZE, 40 + count);
	crew_end(space);
}

/* Up to tlb_full pages are flushed one by one, more at once. */
TEST(tlb, the_threshold_counts)
{
	struct aspace *space = crew_begin();
	unsigned int cpu = other_cpu(1);
	uint64_t full;

	REQUIRE(space);
	crew_populate(space, TEST_BASE, tlb_full + 1, 0);
	if (lacks_cpus(2)) {
		crew_end(space);
		return;
	}
	full = cpus[cpu]->tlb.full_flushes;
	EXPECT_EQ(aspace_protect(space, TEST_BASE, tlb_full * PAGE_SIZE, 0), 0);
	EXPECT_EQ(cpus[cpu]->tlb.full_flushes, full);
	EXPECT_EQ(aspace_protect(space, TEST_BASE, (tlb_full + 1) * PAGE_SIZE, MAP_WRITE), 0);
	crew_fill(TEST_BASE, tlb_full + 1, 0);
	crew_expect_pages(TEST_BASE, tlb_full + 1, 0);
	EXPECT_EQ(aspace_protect(space, TEST_BASE, (tlb_full + 1) * PAGE_SIZE, 0), 0);
	EXPECT_EQ(cpus[cpu]->tlb.full_flushes, full + 1);
	crew_end(space);
}

/* The kernel's half: everybody, whatever they use. */
TEST(tlb, flush_all_reaches_everybody)
{
	struct aspace *space = crew_begin();
	uint64_t before[CREW_MAX] = { 0 };

	REQUIRE(space);
	crew_populate(space, TEST_BASE, 1, 1);
	for_each_cpu(cpu, &crew)
		before[cpu % CREW_MAX] = cpus[cpu]->tlb.full_flushes;
	EXPECT_EQ(flush_tlb_all(), 0);
	for_each_cpu(cpu, &crew)
		EXPECT_EQ(cpus[cpu]->tlb.full_flushes - before[cpu % CREW_MAX],
			  cpu != this_cpu->index);
	crew_expect(TEST_BASE, 1);
	crew_end(space);
}

/* The functions that flush alone. */
TEST(tlb, flush_functions)
{
	struct aspace *space = crew_begin();
	uint64_t second = TEST_BASE + PAGE_SIZE;

	REQUIRE(space);
	crew_populate(space, TEST_BASE, 2, 1);
	for (unsigned int way = 0; way < 5; way++) {
		uint64_t first_word = way % 2 ? 1 : 2;

		REQUIRE(!aspace_lock(&space->lock));
		swap_pages(space, TEST_BASE, second);
		if (way == 0) {
			EXPECT_EQ(flush_tlb_page(space, second), 0);
			EXPECT_EQ(flush_tlb_page(space, TEST_BASE), 0);
		} else if (way == 1) {
			EXPECT_EQ(flush_tlb_range(space, TEST_BASE, TEST_BASE + 2 * PAGE_SIZE), 0);
		} else if (way == 2) {
			EXPECT_EQ(flush_tlb_range(space, TEST_BASE - tlb_full * PAGE_SIZE,
						  TEST_BASE + 2 * PAGE_SIZE),
				  0);
		} else if (way == 3) {
			flush_tlb_aspace(space);
		}
		aspace_unlock(&space->lock);
		if (way == 4)
			EXPECT_EQ(flush_tlb_all(), 0);
		crew_expect(TEST_BASE, first_word);
		crew_expect(second, 3 - first_word);
	}
	crew_end(space);
}

/* A CPU that is deaf has not flushed: who changes the space waits for it. */
struct deaf_reader {
	struct aspace *space;
	unsigned int changer;
	uint64_t sent; /* by the changer, before */
	atomic_bool changed;
	bool saw_old_after, saw_other;
};

static void change(void *info)
{
	struct deaf_reader *reader = info;

	EXPECT_EQ(aspace_unmap(reader->space, TEST_BASE, PAGE_SIZE), 0);
	atomic_store(&reader->changed, true);
}

/*
 * Interrupts are off here; what this CPU remembers is not taken from it. What it sees through it
 * is nobody else's yet.
 */
static void read_while_deaf(void *info)
{
	struct deaf_reader *reader = info;
	uint64_t value;

	get_user(&value, TEST_BASE);
	WAIT_UNTIL(sent_by(reader->changer) != reader->sent);
	for (unsigned int i = 0; i < 5000 && !reader->saw_old_after; i++) {
		bool changed = atomic_load(&reader->changed);

		if (!get_user(&value, TEST_BASE)) {
			reader->saw_old_after = changed;
			reader->saw_other |= value != 1;
		}
		cpu_relax();
	}
}

TEST(tlb, the_answer_is_waited_for)
{
	struct deaf_reader reader = { .changer = other_cpu(1) };
	unsigned int cpu = other_cpu(2);

	if (lacks_cpus(3))
		return;
	reader.space = crew_begin();
	REQUIRE(reader.space);
	crew_map_neighbour(reader.space);
	crew_populate(reader.space, TEST_BASE, 1, 1);
	reader.sent = sent_by(reader.changer);
	EXPECT_EQ(smp_call_function_single(cpu, read_while_deaf, &reader, false), 0);
	EXPECT_EQ(work_run(reader.changer, change, &reader), 0);
	EXPECT(atomic_load(&reader.changed) && !reader.saw_old_after && !reader.saw_other);
	crew_expect_fault(TEST_BASE);
	crew_end(reader.space);
}

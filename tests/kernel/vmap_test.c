/*
 * The kernel's window: what is mapped there all CPUs see, also at an address where something else
 * was before.
 */
#include "capture.h"
#include "crew.h"
#include "mm.h"
#include "test.h"
#include <arch/irq.h>
#include <arch/mmu.h>
#include <arch/trap.h>
#include <kernel/mm/frame_table.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/table.h>
#include <kernel/mm/vmap.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>

#define PAGES   5
#define FILLERS (VMAP_PAGES / BLOCK_FRAMES)

static uint64_t frames[PAGES], free_before;

static bool get_frames(uint64_t first)
{
	for (unsigned int i = 0; i < PAGES; i++) {
		frames[i] = frame_alloc();
		if (!frames[i])
			return false;
		*(uint64_t *)phys_to_virt(frames[i]) = first + i;
	}
	return true;
}

static void put_frames(void)
{
	for (unsigned int i = 0; i < PAGES; i++)
		page_put(frames[i], 1);
}

/* The first time tables are made, which stay. */
static bool begin(void)
{
	void *virt;

	frames_poison(true);
	if (!get_frames(0) || vmap(frames, PAGES, 0, &virt) || vunmap(virt))
		return false;
	put_frames();
	free_before = frames_free();
	return true;
}

static void end(void)
{
	frames_poison(false);
	EXPECT_EQ(frames_free(), free_before);
}

struct look {
	const char *at;
	uint64_t first;
	unsigned int pages;
	bool mapped;
};

static void look(void *info)
{
	const struct look *look = info;

	for (unsigned int i = 0; i < look->pages; i++) {
		uint64_t value = 0;
		int error = probe_read(&value, look->at + i * PAGE_SIZE, sizeof(value));

		if (error != (look->mapped ? 0 : -EFAULT) ||
		    (look->mapped && value != look->first + i))
			test_fail(__FILE__, __LINE__, "%#lx on CPU %u: error %d, found %#lx",
				  (uint64_t)look->at + i * PAGE_SIZE, this_cpu->index, error,
				  value);
	}
}

static void all_look(const void *at, unsigned int pages, uint64_t first, bool mapped)
{
	struct look what = { at, first, pages, mapped };

	EXPECT_EQ(on_each_cpu(look, &what, true), 0);
}

/* At one address, again and again: global pages that somebody kept would be seen. */
TEST(vmap, all_cpus_see_what_is_there)
{
	void *virt, *before = NULL;

	REQUIRE(begin());
	for (uint64_t round = 1; round <= 5; round++) {
		REQUIRE(get_frames(round * 100));
		REQUIRE(!vmap(frames, PAGES, MAP_WRITE, &virt));
		EXPECT(!before || virt == before);
		before = virt;
		all_look(virt, PAGES, round * 100, true);
		EXPECT_EQ(frame_refs(frames[0]), 2);
		*(uint64_t *)virt = 1;
		EXPECT_EQ(*(uint64_t *)phys_to_virt(frames[0]), 1);
		EXPECT_EQ(vunmap(virt), 0);
		all_look(virt, PAGES, 0, false);
		put_frames();
	}
	end();
}

/* More pages than are flushed one by one. */
TEST(vmap, large_areas)
{
	static uint64_t many[200];
	uint64_t count = tlb_full + 1 < 200 ? tlb_full + 1 : 200;
	void *virt;

	REQUIRE(begin());
	REQUIRE(get_frames(7));
	for (unsigned int i = 0; i < count; i++)
		many[i] = frames[0];
	REQUIRE(!vmap(many, (unsigned int)count, 0, &virt));
	EXPECT_EQ(frame_refs(frames[0]), count + 1);
	for (unsigned int i = 0; i < count; i++)
		all_look((char *)virt + i * PAGE_SIZE, 1, 7, true);
	EXPECT_EQ(vunmap(virt), 0);
	all_look(virt, (unsigned int)count, 0, false);
	put_frames();
	end();
}

TEST(vmap, areas_have_gaps)
{
	void *one, *two, *three;

	REQUIRE(begin());
	REQUIRE(get_frames(1));
	REQUIRE(!vmap(frames, 2, 0, &one) && !vmap(frames + 2, 3, 0, &two));
	all_look((char *)one - PAGE_SIZE, 1, 0, false);
	all_look((char *)one + 2 * PAGE_SIZE, 1, 0, false);
	all_look((char *)two - PAGE_SIZE, 1, 0, false);
	all_look((char *)two + 3 * PAGE_SIZE, 1, 0, false);
	EXPECT_EQ(vunmap(one), 0);
	all_look(two, 3, 3, true);
	REQUIRE(!vmap(frames, 3, 0, &three)); /* does not fit where one was */
	EXPECT(three > two);
	EXPECT_EQ(vunmap(two), 0);
	EXPECT_EQ(vunmap(three), 0);
	put_frames();
	end();
}

static uint64_t flushes[MAX_CPUS];

/*
 * To other flags, of which each CPU must be told: also if more may be done by then, since nobody
 * serves the fault of one that remembers less. Emulators remember nothing of that kind.
 */
static void protect(void *virt, enum map_flags mapped)
{
	for_each_cpu(cpu, &cpu_online_mask)
		flushes[cpu] = crew_flushes(cpu);
	EXPECT_EQ(aspace_protect(&kernel_aspace, (uint64_t)virt, PAGE_SIZE, mapped), 0);
	for_each_cpu(cpu, &cpu_online_mask)
		EXPECT(cpu == this_cpu->index || crew_flushes(cpu) != flushes[cpu]);
}

/* Panics if it faults. */
static void store(void *virt)
{
	*(volatile uint64_t *)virt = 5;
}

static void store_in_vain(void *virt)
{
	uint64_t value = 6;

	EXPECT_EQ(probe_write(virt, &value, sizeof(value)), -EFAULT);
}

TEST(vmap, protection)
{
	void *virt;

	REQUIRE(begin());
	REQUIRE(get_frames(1));
	REQUIRE(!vmap(frames, PAGES, 0, &virt));
	all_look(virt, PAGES, 1, true);
	EXPECT_EQ(on_each_cpu(store_in_vain, virt, true), 0);
	protect(virt, MAP_WRITE);
	EXPECT_EQ(on_each_cpu(store, virt, true), 0);
	all_look(virt, 1, 5, true);
	protect(virt, 0);
	EXPECT_EQ(on_each_cpu(store_in_vain, virt, true), 0);
	all_look(virt, 1, 5, true);
	all_look((char *)virt + PAGE_SIZE, PAGES - 1, 2, true);
	EXPECT_EQ(vunmap(virt), 0);
	put_frames();
	end();
}

static void flush_in_way(unsigned int way, uint64_t first)
{
	uint64_t second = first + PAGE_SIZE, end = second + PAGE_SIZE;

	switch (way) {
	case 0:
		EXPECT_EQ(flush_tlb_kernel_range(first, end), 0);
		return;
	case 1:
		EXPECT_EQ(flush_tlb_kernel_range(first, first + (tlb_full + 1) * PAGE_SIZE), 0);
		return;
	case 2:
		EXPECT_EQ(flush_tlb_page(&kernel_aspace, second), 0);
		EXPECT_EQ(flush_tlb_page(&kernel_aspace, first), 0);
		return;
	case 3:
		EXPECT_EQ(flush_tlb_range(&kernel_aspace, first, end), 0);
		return;
	default:
		flush_tlb_aspace(&kernel_aspace);
	}
}

/* The functions that flush alone. */
TEST(vmap, flush_functions)
{
	uint64_t first;
	void *virt;

	REQUIRE(begin());
	REQUIRE(get_frames(1));
	REQUIRE(!vmap(frames, 2, 0, &virt));
	first = (uint64_t)virt;
	all_look(virt, 2, 1, true);
	for (unsigned int way = 0; way < 5; way++) {
		REQUIRE(!aspace_lock(&kernel_aspace.lock));
		swap_pages(&kernel_aspace, first, first + PAGE_SIZE);
		flush_in_way(way, first);
		aspace_unlock(&kernel_aspace.lock);
		all_look(virt, 1, way % 2 ? 1 : 2, true);
		all_look((char *)virt + PAGE_SIZE, 1, way % 2 ? 2 : 1, true);
	}
	EXPECT_EQ(vunmap(virt), 0);
	put_frames();
	end();
}

/* What knows nothing of the areas leaves the window alone. */
TEST(vmap, is_the_only_way_in)
{
	uint64_t inside = VMAP_START + 8 * GB, digest;
	struct aspace *copy;
	void *virt;

	REQUIRE(begin());
	REQUIRE(get_frames(1));
	REQUIRE(!vmap(frames, PAGES, 0, &virt));
	digest = space_digest(&kernel_aspace);
	EXPECT_EQ(aspace_map(&kernel_aspace, inside, 0, PAGE_SIZE, 1, MAP_FOREIGN), -EINVAL);
	EXPECT_EQ(aspace_populate(&kernel_aspace, inside, PAGE_SIZE, 1, 0), -EINVAL);
	EXPECT_EQ(aspace_split(&kernel_aspace, inside), -EINVAL);
	EXPECT_EQ(aspace_merge(&kernel_aspace, inside), -EINVAL);
	EXPECT_EQ(aspace_clone(&kernel_aspace, &copy), -EINVAL);
	EXPECT_EQ(aspace_unmap(&kernel_aspace, (uint64_t)virt, PAGES * PAGE_SIZE), -EINVAL);
	EXPECT_EQ(aspace_unmap(&kernel_aspace, (uint64_t)virt + PAGE_SIZE, PAGE_SIZE), -EINVAL);
	EXPECT_EQ(aspace_destroy(&kernel_aspace), -EINVAL);
	EXPECT_EQ(space_digest(&kernel_aspace), digest);
	all_look(virt, PAGES, 1, true);
	EXPECT_EQ(vunmap(virt), 0);
	put_frames();
	end();
}

static bool has_table(uint64_t virt)
{
	return table_find(&kernel_aspace, virt).level == 1;
}

static int map_pages(void *info)
{
	return vmap(frames, PAGES, 0, info);
}

/* Areas, each but the first page of a table long, as far as there are tables; how many. */
static unsigned int fill_tables(void *areas[FILLERS])
{
	static uint64_t many[BLOCK_FRAMES - 1];
	unsigned int count = 0;

	for (unsigned int i = 0; i < BLOCK_FRAMES - 1; i++)
		many[i] = frames[0];
	for (uint64_t at = VMAP_START; count < FILLERS && has_table(at); at += 2 * MB) {
		if (vmap(many, BLOCK_FRAMES - 1, 0, &areas[count]))
			break;
		count++;
	}
	return count;
}

/* What comes then needs a table, which stays. */
TEST(vmap, out_of_frames_anywhere)
{
	void *areas[FILLERS], *virt = NULL;
	unsigned int count;

	REQUIRE(begin());
	REQUIRE(get_frames(1));
	count = fill_tables(areas);
	EXPECT(count && count < FILLERS);
	fail_each_allocation(&kernel_aspace, map_pages, &virt);
	all_look(virt, PAGES, 1, true);
	EXPECT_EQ(vunmap(virt), 0);
	while (count)
		EXPECT_EQ(vunmap(areas[--count]), 0);
	put_frames();
	free_before--;
	end();
}

static void refuse_with_interrupts_off(void *virt)
{
	void *other;

	capture_start();
	irq_disable();
	EXPECT_EQ(vmap(frames, PAGES, 0, &other), -EDEADLK);
	EXPECT_EQ(vunmap(virt), -EDEADLK);
	EXPECT_EQ(aspace_protect(&kernel_aspace, (uint64_t)virt, PAGE_SIZE, MAP_WRITE), -EDEADLK);
	EXPECT(irqs_disabled());
	irq_enable();
	capture_end();
	EXPECT(capture_has_once("WARNING: mm: an address space is changed with interrupts off"));
}

TEST(vmap, bad_input)
{
	void *virt = (void *)1;
	uint64_t odd = 1;

	REQUIRE(begin());
	REQUIRE(get_frames(1));
	EXPECT_EQ(vmap(NULL, 1, 0, &virt), -EINVAL);
	EXPECT_EQ(vmap(frames, 0, 0, &virt), -EINVAL);
	EXPECT_EQ(vmap(frames, 1, 0, NULL), -EINVAL);
	EXPECT_EQ(vmap(frames, 1, MAP_WRITE | MAP_EXEC, &virt), -EINVAL);
	EXPECT_EQ(vmap(frames, 1, MAP_USER, &virt), -EINVAL);
	EXPECT_EQ(vmap(&odd, 1, 0, &virt), -EINVAL);
	odd = mmu_phys_end;
	EXPECT_EQ(vmap(&odd, 1, MAP_FOREIGN, &virt), -EINVAL);
	odd = 0;
	EXPECT_EQ(vmap(&odd, 1, 0, &virt), -EINVAL);
	EXPECT_EQ(vmap(frames, VMAP_PAGES + 1, 0, &virt), -ENOSPC);
	EXPECT_EQ(vmap(frames, ~0u, 0, &virt), -ENOSPC);
	EXPECT_EQ((uint64_t)virt, 1);
	REQUIRE(!vmap(frames, PAGES, 0, &virt));
	EXPECT_EQ(vunmap((char *)virt + 1), -EINVAL);
	EXPECT_EQ(vunmap((char *)virt + PAGE_SIZE), -EINVAL);
	EXPECT_EQ(vunmap((char *)virt - PAGE_SIZE), -EINVAL);
	EXPECT_EQ(vunmap(NULL), -EINVAL);
	EXPECT_EQ(vunmap((void *)VMAP_START), -EINVAL);
	EXPECT_EQ(vunmap((void *)VMAP_END), -EINVAL);
	refuse_with_interrupts_off(virt);
	all_look(virt, PAGES, 1, true);
	EXPECT_EQ(vunmap(virt), 0);
	EXPECT_EQ(vunmap(virt), -EINVAL);
	put_frames();
	end();
}

/*
 * Ranges of the kernel's half that the functions that flush refuse; those of users' spaces are with
 * what else a space refuses (space_errors_test.c).
 */
#include "crew.h"
#include "mm.h"
#include "test.h"
#include <arch/mmu.h>
#include <kernel/mm/aspace.h>
#include <kernel/mm/tlb.h>
#include <kernel/mm/vmap.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>

static uint64_t all_flushes(void)
{
	uint64_t count = 0;

	for_each_cpu(cpu, &cpu_online_mask)
		count += crew_flushes(cpu);
	return count;
}

/* Also outside of the window; but no other half, nothing between them, and no part of a page. */
TEST(tlb, bad_ranges_of_the_kernels_half)
{
	uint64_t flushed = all_flushes(), high = -PAGE_SIZE;

	REQUIRE(!aspace_lock(&kernel_aspace.lock));
	EXPECT_EQ(flush_tlb_kernel_range(0x10000, 0x11000), -EINVAL);
	EXPECT_EQ(flush_tlb_kernel_range(DIRECT_MAP - PAGE_SIZE, DIRECT_MAP), -EINVAL);
	EXPECT_EQ(flush_tlb_kernel_range(1ul << 62, (1ul << 62) + PAGE_SIZE), -EINVAL);
	EXPECT_EQ(flush_tlb_kernel_range(VMAP_START, VMAP_START), -EINVAL);
	EXPECT_EQ(flush_tlb_kernel_range(VMAP_START + PAGE_SIZE, VMAP_START), -EINVAL);
	EXPECT_EQ(flush_tlb_kernel_range(VMAP_START + 1, VMAP_START + PAGE_SIZE), -EINVAL);
	EXPECT_EQ(flush_tlb_kernel_range(VMAP_START, VMAP_START + 1), -EINVAL);
	EXPECT_EQ(flush_tlb_kernel_range(high, 0), -EINVAL);
	EXPECT_EQ(flush_tlb_range(&kernel_aspace, TEST_BASE, TEST_BASE + PAGE_SIZE), -EINVAL);
	EXPECT_EQ(flush_tlb_page(&kernel_aspace, LOWER_END), -EINVAL);
	EXPECT_EQ(flush_tlb_page(&kernel_aspace, VMAP_START + 8), -EINVAL);
	EXPECT_EQ(flush_tlb_page(&kernel_aspace, high), -EINVAL);
	EXPECT_EQ(all_flushes(), flushed);
	EXPECT_EQ(flush_tlb_page(&kernel_aspace, DIRECT_MAP), 0);
	aspace_unlock(&kernel_aspace.lock);
}

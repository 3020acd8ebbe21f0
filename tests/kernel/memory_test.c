/*
 * The page tables as the hardware sees them, and the frames behind them.
 */
#include "mm.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/mm.h>
#include <arch/trap.h>
#include <boot/boot_info.h>
#include <kernel/mm/frames.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>

extern const char text_start[], text_end[], rodata_end[], kernel_end[];

struct audit {
	uint64_t pages, writable_executable, low, user;
};

static void audit_page(uint64_t virt, const struct page_info *page, void *context)
{
	struct audit *audit = context;

	audit->pages++;
	audit->writable_executable += page->writable && page->executable;
	audit->low += virt < DIRECT_MAP;
	audit->user += page->user;
}

TEST(memory, write_xor_execute)
{
	struct audit audit = { 0 };

	arch_for_each_page(audit_page, &audit);
	EXPECT(audit.pages > 10);
	EXPECT_EQ(audit.writable_executable, 0);
	EXPECT_EQ(audit.low, 0);
	EXPECT_EQ(audit.user, 0);
}

TEST(memory, kernel_image_protection)
{
	EXPECT(arch_page_info((uint64_t)text_start).executable);
	EXPECT(!arch_page_info((uint64_t)text_start).writable);
	EXPECT(!arch_page_info((uint64_t)rodata_end - 1).writable);
	EXPECT(arch_page_info((uint64_t)kernel_end - 1).writable);
	EXPECT(!arch_page_info((uint64_t)kernel_end).present);
}

TEST(memory, text_cannot_be_written)
{
	char byte = *text_start;

	EXPECT_EQ(probe_write((void *)text_start, &byte, 1), -EFAULT);
	EXPECT_EQ(probe_write(phys_to_virt(virt_to_phys(text_start)), &byte, 1), -EFAULT);
	EXPECT_EQ(probe_write((void *)text_end, text_end, 1), -EFAULT);
}

TEST(memory, low_addresses_fault)
{
	char byte;

	EXPECT_EQ(probe_read(&byte, (void *)0x10, 1), -EFAULT);
	EXPECT_EQ(probe_read(&byte, (void *)0x200000, 1), -EFAULT);
}

static void check_guard(unsigned int cpu, uint64_t top, uint64_t size)
{
	EXPECT(top != 0);
	EXPECT(arch_page_info(top - 1).present && arch_page_info(top - size).present);
	if (arch_page_info(top - size - 1).present)
		test_fail(__FILE__, __LINE__, "CPU %u: no guard page below the stack at %#lx", cpu,
			  top - size);
}

TEST(memory, stacks_have_guard_pages)
{
	for_each_cpu(cpu, &cpu_online_mask) {
		const struct descriptor_tables *tables = &cpus[cpu]->arch.tables;

		check_guard(cpu, tables->stack_top, KERNEL_STACK_SIZE);
		for (unsigned int ist = 0; ist < IST_COUNT; ist++)
			check_guard(cpu, tables->tss.ist[ist], IST_STACK_SIZE);
	}
}

TEST(memory, frames)
{
	uint64_t free_before = frames_free(), first = frame_alloc(), second = frame_alloc();

	REQUIRE(first && second);
	EXPECT(first != second && !(first % PAGE_SIZE));
	EXPECT_EQ(*(uint64_t *)phys_to_virt(second), 0);
	*(uint64_t *)phys_to_virt(first) = 0x1234;
	frame_free(first);
	frame_free(second);
	EXPECT_EQ(frames_free(), free_before);
	second = frame_alloc();
	EXPECT_EQ(*(uint64_t *)phys_to_virt(second), 0);
	frame_free(second);
}

TEST(memory, frames_run_out_cleanly)
{
	EXPECT_EQ(frames_alloc(frames_total() + 1, ~0ull), FRAME_NONE);
	EXPECT_EQ(frames_alloc(UINT64_MAX, ~0ull), FRAME_NONE);
	EXPECT_EQ(frames_alloc(1, PAGE_SIZE), FRAME_NONE);
}

/* Whoever asks for all there is below a module's end never gets what the loader put there. */
TEST(memory, boot_modules_are_nobodys)
{
	uint64_t first = boot_info.module[0].base & ~(PAGE_SIZE - 1);
	uint64_t end = boot_info.module[0].base + boot_info.module[0].length;
	uint64_t frame, taken = FRAME_NONE;

	if (!boot_info.modules) {
		test_skip("the loader brought no module");
		return;
	}
	EXPECT_EQ(frame_refs(first), 0);
	while ((frame = frames_alloc(1, (end + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1)))) {
		EXPECT(frame < first);
		*(uint64_t *)phys_to_virt(frame) = taken;
		taken = frame;
	}
	EXPECT(taken != FRAME_NONE);
	while (taken) {
		frame = taken;
		taken = *(uint64_t *)phys_to_virt(frame);
		frame_free(frame);
	}
}

TEST(memory, map_refuses)
{
	EXPECT_EQ(arch_map(VMAP_START + 1, 0, PAGE_SIZE, 0), -EINVAL);
	EXPECT_EQ(arch_map(0x1000, 0x1000, PAGE_SIZE, MAP_WRITE), -EINVAL);
	EXPECT_EQ(arch_map(VMAP_START + (1ul << 40), 0x1000, PAGE_SIZE, MAP_WRITE | MAP_EXEC),
		  -EINVAL);
	EXPECT_EQ(arch_map((uint64_t)text_start, 0x1000, PAGE_SIZE, MAP_WRITE), -EEXIST);
}

static void count_page(uint64_t virt, const struct page_info *page, void *count)
{
	(void)virt;
	(void)page;
	++*(uint64_t *)count;
}

static uint64_t mapped_pages(void)
{
	uint64_t count = 0;

	arch_for_each_page(count_page, &count);
	return count;
}

/* In pages of 4 KB, for which at least two tables are wanted; nobody looks at what is there. */
static void *map_device(void)
{
	return arch_map_device(MB - PAGE_SIZE, 4 * MB, MAP_UNCACHED);
}

static void *alloc_stack(void)
{
	return arch_alloc_stack(KERNEL_STACK_SIZE);
}

/* With each allocation in turn failing nothing is mapped; what comes next does not suffer. */
static void fail_each(void *(*make)(void), unsigned int at_least)
{
	uint64_t pages = mapped_pages();
	unsigned int failed = 0;

	for (;;) {
		void *made;

		frames_fail_at(failed + 1);
		made = make();
		if (frames_fail_at(0)) {
			EXPECT(made);
			break;
		}
		REQUIRE(!made);
		EXPECT_EQ(mapped_pages(), pages);
		failed++;
	}
	EXPECT(failed >= at_least);
	EXPECT(make());
}

TEST(memory, a_device_is_mapped_as_a_whole_or_not_at_all)
{
	fail_each(map_device, 2);
}

TEST(memory, a_stack_is_mapped_as_a_whole_or_not_at_all)
{
	fail_each(alloc_stack, KERNEL_STACK_SIZE / PAGE_SIZE);
}

/* What is no address at all, or more than there are. */
TEST(memory, devices_that_do_not_fit)
{
	uint64_t pages = mapped_pages();

	EXPECT(!arch_map_device(0, 0, 0));
	EXPECT(!arch_map_device(0, VMAP_START - DEVICE_START, 0));
	EXPECT(!arch_map_device(PAGE_SIZE, ~0ul, 0));
	EXPECT_EQ(mapped_pages(), pages);
}

/* Whatever the regions of the memory map do to each other at their borders. */
TEST(memory, direct_map_has_all_memory)
{
	for (unsigned int i = 0; i < boot_info.regions; i++) {
		const struct boot_region *region = &boot_info.region[i];
		uint64_t at = (region->base + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
		uint64_t end = (region->base + region->length) & ~(PAGE_SIZE - 1);

		if (region->type != BOOT_MEMORY_USABLE || end > DIRECT_MAP_SIZE)
			continue;
		while (at < end) {
			struct page_info page = arch_page_info(DIRECT_MAP + at);

			REQUIRE(page.present);
			REQUIRE(page.phys == (at & ~(page.size - 1)));
			at = page.phys + page.size;
		}
	}
}

/* The highest frame holds what is written there: above 4 GB where there is that much. */
TEST(memory, direct_map_reaches_the_last_frame)
{
	uint64_t high = frames_alloc(1, ~0ull);

	REQUIRE(high);
	*(volatile uint64_t *)phys_to_virt(high) = 0x5a5aa5a5;
	EXPECT_EQ(*(volatile uint64_t *)phys_to_virt(high), 0x5a5aa5a5);
	if (frames_total() * PAGE_SIZE > 5ull << 30)
		EXPECT(high >= 4ull << 30);
	frame_free(high);
}

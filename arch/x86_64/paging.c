/*
 * The final page tables: every page writable or executable, never both; nothing
 * at low addresses; what nobody mapped faults.
 */
#include "errata.h"
#include "paging.h"
#include "regs.h"
#include <arch/apic_regs.h>
#include <arch/mm.h>
#include <arch/mmu.h>
#include <boot/boot_info.h>
#include <kernel/bootword.h>
#include <kernel/console/printk.h>
#include <kernel/mm/frames.h>
#include <kernel/panic.h>
#include <lib/errno.h>
#include <lib/string.h>

/*
 * The PAT as reset leaves it, but entry 1 (PWT alone) is write-combining rather
 * than write-through, so that no page size needs the PAT bit (SDM vol. 3 §12.12).
 */
#define PAT_VALUE 0x0007040600070106ull

#define TABLES_BELOW (4ull << 30) /* an AP loads CR3 in 32-bit mode */

#define CPUID_EXT_FEATURES  0x80000001
#define CPUID_EXT_NX        (1u << 20)
#define CPUID_EXT_PAGE1GB   (1u << 26)
#define CPUID_FEATURE_PAT   (1u << 16)
#define CPUID_ADDRESS_SIZES 0x80000008
#define CPUID_PCID          (1u << 17) /* leaf 1, ECX */
#define PCIDS               4096

extern const char kernel_start[], text_start[], text_end[], rodata_end[], kernel_end[];

uint64_t mmu_nx;
bool mmu_has_1gb;
uint64_t mmu_phys_end;
unsigned int mmu_tags;

enum { PCID_ON, PCID_OFF };
static const char *const pcid_words[] = { "on", "off", NULL };
static unsigned int wanted_pcid = PCID_ON;
BOOT_WORD_CHOICE(pcid, pcid_words, wanted_pcid, "on or off: whether the TLB keeps spaces apart");

static uint64_t *top;

static uint64_t *new_table(void)
{
	uint64_t frame = frames_alloc(1, TABLES_BELOW);

	return frame ? phys_to_virt(frame) : NULL;
}

/* The table that entry points to, made if there is none; NULL if that failed. */
static uint64_t *next_table(uint64_t *entry)
{
	uint64_t *table;

	if (*entry & PTE_PRESENT)
		return *entry & PTE_LARGE ? NULL : phys_to_virt(*entry & PTE_ADDRESS);
	table = new_table();
	if (table)
		*entry = mmu_table_entry(virt_to_phys(table), 0);
	return table;
}

static unsigned int largest_level(uint64_t virt, uint64_t phys, uint64_t length)
{
	for (unsigned int level = mmu_has_1gb ? 3 : 2; level > 1; level--) {
		uint64_t size = mmu_size(level);

		if (!((virt | phys) & (size - 1)) && length >= size)
			return level;
	}
	return 1;
}

static int map_one(uint64_t virt, uint64_t pte, unsigned int at_level)
{
	uint64_t *table = top;

	for (unsigned int level = MMU_LEVELS; level > at_level; level--) {
		uint64_t *entry = &table[mmu_slot(virt, level)];

		if (*entry & PTE_LARGE)
			return -EEXIST;
		table = next_table(entry);
		if (!table)
			return -ENOMEM;
	}
	if (table[mmu_slot(virt, at_level)] & PTE_PRESENT)
		return -EEXIST;
	table[mmu_slot(virt, at_level)] = pte;
	return 0;
}

/* Takes out the leaf that is there; returns its size. */
static uint64_t unmap_one(uint64_t virt)
{
	unsigned int level = MMU_LEVELS;
	uint64_t *entry = &top[mmu_slot(virt, level)];

	while (!mmu_is_leaf(*entry, level)) {
		uint64_t *table = phys_to_virt(*entry & PTE_ADDRESS);

		entry = &table[mmu_slot(virt, --level)];
	}
	*entry = 0;
	return mmu_size(level);
}

void paging_unmap(uint64_t virt, uint64_t end)
{
	while (virt < end)
		virt += unmap_one(virt);
}

/* All of it, or nothing; tables that were made for it stay. */
static int map_in(uint64_t virt, uint64_t phys, uint64_t length, enum map_flags flags)
{
	uint64_t start = virt, end = virt + length;

	while (virt < end) {
		unsigned int level = largest_level(virt, phys, end - virt);
		uint64_t size = mmu_size(level);
		int error = map_one(virt, phys | mmu_leaf_bits(level, flags), level);

		if (error) {
			paging_unmap(start, virt);
			return error;
		}
		virt += size;
		phys += size;
	}
	return 0;
}

int arch_map(uint64_t virt, uint64_t phys, uint64_t length, enum map_flags flags)
{
	bool both = (flags & MAP_WRITE) && (flags & MAP_EXEC);

	if ((virt | phys | length) % PAGE_SIZE || !length || both || virt < DIRECT_MAP)
		return -EINVAL;
	return map_in(virt, phys, length, flags);
}

/*
 * One page as large as fits, at a place that a region before may have mapped already:
 * regions share a page where firmware ends them within one, or lists a place twice.
 * Returns the bytes done.
 */
static uint64_t map_unless_mapped(uint64_t phys, uint64_t length, enum map_flags flags)
{
	uint64_t virt = DIRECT_MAP + phys;
	unsigned int level = largest_level(virt, phys, length);
	int error;

	do {
		error = map_one(virt, phys | mmu_leaf_bits(level, flags), level);
	} while (error == -EEXIST && --level);
	if (error == -ENOMEM)
		panic("mm: no memory for the page tables of the direct map");
	return 1ull << mmu_shift(level ? level : 1);
}

/* RAM as the firmware lists it, with the kernel's text and constants read-only there too. */
static void map_direct(uint64_t start, uint64_t end, enum map_flags flags)
{
	while (start < end)
		start += map_unless_mapped(start, end - start, flags);
}

static void map_region(uint64_t start, uint64_t end)
{
	uint64_t fixed_start = virt_to_phys(text_start), fixed_end = virt_to_phys(rodata_end);
	uint64_t before = end < fixed_start ? end : fixed_start;
	uint64_t after = start > fixed_end ? start : fixed_end;

	map_direct(start, before, MAP_WRITE);
	if (start <= fixed_start && end >= fixed_end)
		map_direct(fixed_start, fixed_end, 0);
	map_direct(after, end, MAP_WRITE);
}

static bool is_memory(uint32_t type)
{
	return type == BOOT_MEMORY_USABLE || type == BOOT_MEMORY_ACPI || type == BOOT_MEMORY_NVS;
}

static void map_all_memory(void)
{
	for (unsigned int i = 0; i < boot_info.regions; i++) {
		const struct boot_region *region = &boot_info.region[i];
		uint64_t end = region->base + region->length;

		if (!is_memory(region->type) || end < region->base || end > DIRECT_MAP_SIZE)
			continue;
		map_region(region->base & ~(PAGE_SIZE - 1),
			   (end + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1));
	}
}

static void map_kernel(const char *from, const char *to, enum map_flags flags)
{
	if (map_in((uint64_t)from, virt_to_phys(from), (uint64_t)(to - from), flags))
		panic("mm: cannot map the kernel's own image");
}

void paging_cpu_init(void)
{
	if (cpuid(1, 0).edx & CPUID_FEATURE_PAT)
		wrmsr(MSR_PAT, PAT_VALUE);
	if (mmu_nx)
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
}

static uint64_t physical_end(void)
{
	unsigned int bits = 36;

	if (cpuid(0x80000000, 0).eax >= CPUID_ADDRESS_SIZES)
		bits = cpuid(CPUID_ADDRESS_SIZES, 0).eax & 0xff;
	return bits < 46 ? 1ull << bits : DIRECT_MAP_SIZE;
}

/*
 * Spaces that share the kernel's half share the tables below its top entries: one that was made
 * before a new top entry would not have it. So those that may be needed are made at once.
 */
static void make_top_entries(void)
{
	for (uint64_t virt = DEVICE_START; virt < VMAP_END; virt += mmu_size(MMU_LEVELS)) {
		if (!next_table(&top[mmu_slot(virt, MMU_LEVELS)]))
			panic("mm: no memory for page tables");
	}
}

void mmu_share_kernel_half(void *table)
{
	uint64_t *to = table;

	memcpy(to + MMU_ENTRIES / 2, top + MMU_ENTRIES / 2, PAGE_SIZE / 2);
}

uint64_t mmu_kernel_root(void)
{
	return virt_to_phys(top);
}

/* SDM vol. 3 §4.10.4.1: what changes CR4.PGE invalidates everything, in all PCIDs. */
void mmu_flush_all(void)
{
	uint64_t cr4 = read_cr4();

	write_cr4(cr4 & ~CR4_PGE);
	write_cr4(cr4);
}

/* Global pages are the reason: without them nothing of the kernel's survives a switch. */
static bool may_use_pcid(void)
{
	if (!(cpuid(1, 0).ecx & CPUID_PCID) || wanted_pcid == PCID_OFF)
		return false;
	if (!errata_invlpg_leaves_global())
		return true;
	printk("mm: PCIDs are not used: on this CPU INVLPG may leave global pages (see errata.c)\n");
	return false;
}

/* The other CPUs write CR4 by mmu_tags when they start. */
static void start_tags(void)
{
	if (!may_use_pcid())
		return;
	write_cr4(read_cr4() | CR4_PCIDE);
	mmu_tags = PCIDS - 1;
}

void arch_mm_init(void)
{
	uint32_t features = cpuid(CPUID_EXT_FEATURES, 0).edx;

	mmu_nx = features & CPUID_EXT_NX ? PTE_NX : 0;
	mmu_has_1gb = features & CPUID_EXT_PAGE1GB;
	mmu_phys_end = physical_end();
	top = new_table();
	if (!top)
		panic("mm: no free memory below 4 GB");
	map_kernel(text_start, text_end, MAP_EXEC);
	map_kernel(text_end, rodata_end, 0);
	map_kernel(rodata_end, kernel_end, MAP_WRITE);
	map_all_memory();
	make_top_entries();
	paging_cpu_init();
	write_cr3(virt_to_phys(top));
	start_tags();
}

uint64_t paging_identity_table(uint64_t phys, uint64_t length)
{
	uint64_t *kernel = top, *table = new_table();
	int error;

	if (!table)
		return 0;
	memcpy(table, kernel, PAGE_SIZE);
	top = table;
	error = map_in(phys, phys, length, MAP_WRITE | MAP_EXEC);
	top = kernel;
	return error ? 0 : virt_to_phys(table);
}

static struct page_info page_info_of(uint64_t entry, unsigned int level)
{
	return (struct page_info){
		.present = true,
		.writable = entry & PTE_WRITE,
		.executable = !(entry & PTE_NX),
		.user = entry & PTE_USER,
		.phys = entry & PTE_ADDRESS & ~((mmu_size(level)) - 1),
		.size = mmu_size(level),
	};
}

struct page_info arch_page_info(uint64_t virt)
{
	const uint64_t *table = top;

	for (unsigned int level = MMU_LEVELS; level; level--) {
		uint64_t entry = table[mmu_slot(virt, level)];

		if (!(entry & PTE_PRESENT))
			break;
		if (mmu_is_leaf(entry, level))
			return page_info_of(entry, level);
		table = phys_to_virt(entry & PTE_ADDRESS);
	}
	return (struct page_info){ .present = false };
}

static void visit_table(const uint64_t *table, unsigned int level, uint64_t base,
			void (*visit)(uint64_t, const struct page_info *, void *), void *context)
{
	for (uint64_t slot = 0; slot < MMU_ENTRIES; slot++) {
		uint64_t entry = table[slot], virt = base | slot << mmu_shift(level);
		struct page_info page;

		if (!(entry & PTE_PRESENT))
			continue;
		if (!mmu_is_leaf(entry, level)) {
			visit_table(phys_to_virt(entry & PTE_ADDRESS), level - 1, virt, visit,
				    context);
			continue;
		}
		page = page_info_of(entry, level);
		visit(virt, &page, context);
	}
}

void arch_for_each_page(void (*visit)(uint64_t, const struct page_info *, void *), void *context)
{
	for (uint64_t slot = 0; slot < MMU_ENTRIES; slot++) {
		uint64_t base = slot << mmu_shift(MMU_LEVELS);

		if (slot >= MMU_ENTRIES / 2)
			base |= 0xffff000000000000ull;
		if (top[slot] & PTE_PRESENT)
			visit_table(phys_to_virt(top[slot] & PTE_ADDRESS), MMU_LEVELS - 1, base,
				    visit, context);
	}
}

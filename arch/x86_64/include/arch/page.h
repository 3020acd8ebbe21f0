/*
 * Pages, and what the entries of page tables say of them.
 *
 * A table has MMU_ENTRIES entries. Those of level 1 map 4 KB; those of level 2 and 3 map 2 MB and
 * 1 GB, or lead to a table of the level below; the top table is level 4 (SDM vol. 3 §4.5). Other
 * CPUs' hardware reads entries at any time and sets two bits of them (accessed, dirty), so they
 * are read and written as atomics.
 */
#ifndef ARCH_PAGE_H
#define ARCH_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE_SIZE 4096ul

enum map_flags {
	MAP_WRITE = 1,
	MAP_EXEC = 2,
	MAP_UNCACHED = 4,
	MAP_WRITE_COMBINING = 8,
	MAP_USER = 16,    /* the lower half */
	MAP_COW = 32,     /* to be copied before it is written */
	MAP_FOREIGN = 64, /* not counted: not RAM, or held by somebody else for longer */
};

#define MMU_LEVELS  4
#define MMU_ENTRIES 512

#define PTE_PRESENT  (1ull << 0)
#define PTE_WRITE    (1ull << 1)
#define PTE_USER     (1ull << 2)
#define PTE_PWT      (1ull << 3)
#define PTE_PCD      (1ull << 4)
#define PTE_ACCESSED (1ull << 5)
#define PTE_DIRTY    (1ull << 6)
#define PTE_LARGE    (1ull << 7) /* in levels 2 and 3 */
#define PTE_GLOBAL   (1ull << 8)
#define PTE_FOREIGN  (1ull << 9) /* for the kernel to use, like the next one */
#define PTE_COW      (1ull << 10)
#define PTE_NX       (1ull << 63)
#define PTE_ADDRESS  0x000ffffffffff000ull

/* PTE_NX, or 0 on a CPU without it. */
extern uint64_t mmu_nx;

/* Whether 1 GB pages may be used. */
extern bool mmu_has_1gb;

static inline unsigned int mmu_shift(unsigned int level)
{
	return 12 + 9 * (level - 1);
}

/* What an entry of a level maps, in bytes. */
static inline uint64_t mmu_size(unsigned int level)
{
	return 1ull << mmu_shift(level);
}

static inline unsigned int mmu_slot(uint64_t virt, unsigned int level)
{
	return virt >> mmu_shift(level) & (MMU_ENTRIES - 1);
}

static inline bool mmu_present(uint64_t entry)
{
	return entry & PTE_PRESENT;
}

/* Of one that is present. */
static inline bool mmu_is_leaf(uint64_t entry, unsigned int level)
{
	return level == 1 || entry & PTE_LARGE;
}

/* The table that an entry leads to. */
static inline uint64_t mmu_table_phys(uint64_t entry)
{
	return entry & PTE_ADDRESS;
}

/* The memory that a leaf maps. */
static inline uint64_t mmu_leaf_phys(uint64_t entry, unsigned int level)
{
	return entry & PTE_ADDRESS & ~(mmu_size(level) - 1);
}

/* An entry that leads to a table. Only the leaf limits what may be done. */
static inline uint64_t mmu_table_entry(uint64_t phys, enum map_flags flags)
{
	return phys | PTE_PRESENT | PTE_WRITE | (flags & MAP_USER ? PTE_USER : 0);
}

/* What a leaf's flags are in an entry. What is not the user's is the same in every space: global. */
static inline uint64_t mmu_leaf_bits(unsigned int level, enum map_flags flags)
{
	uint64_t bits = PTE_PRESENT | (level > 1 ? PTE_LARGE : 0);

	bits |= flags & MAP_WRITE ? PTE_WRITE : 0;
	bits |= flags & MAP_EXEC ? 0 : mmu_nx;
	bits |= flags & MAP_USER ? PTE_USER : PTE_GLOBAL;
	bits |= flags & MAP_UNCACHED ? PTE_PCD | PTE_PWT : 0;
	bits |= flags & MAP_WRITE_COMBINING ? PTE_PWT : 0;
	bits |= flags & MAP_COW ? PTE_COW : 0;
	bits |= flags & MAP_FOREIGN ? PTE_FOREIGN : 0;
	return bits;
}

#define PTE_MAY (PTE_WRITE | PTE_NX | PTE_COW)

/* The same, of what may be done alone; and an entry with other such bits. */
static inline uint64_t mmu_may_bits(enum map_flags flags)
{
	return mmu_leaf_bits(1, flags) & PTE_MAY;
}

static inline uint64_t mmu_with_may(uint64_t entry, uint64_t bits)
{
	return (entry & ~PTE_MAY) | bits;
}

/* What an entry allowed the hardware that it does not with these bits: 0 for nothing. */
static inline uint64_t mmu_lost(uint64_t entry, uint64_t bits)
{
	return (entry ^ PTE_NX) & ~(bits ^ PTE_NX) & (PTE_WRITE | PTE_NX);
}

/* The flags of a leaf. */
static inline enum map_flags mmu_leaf_flags(uint64_t entry)
{
	unsigned int flags = 0;

	flags |= entry & PTE_WRITE ? MAP_WRITE : 0;
	flags |= entry & PTE_NX ? 0 : MAP_EXEC;
	flags |= entry & PTE_USER ? MAP_USER : 0;
	flags |= entry & PTE_PCD ? MAP_UNCACHED : entry & PTE_PWT ? MAP_WRITE_COMBINING : 0;
	flags |= entry & PTE_COW ? MAP_COW : 0;
	flags |= entry & PTE_FOREIGN ? MAP_FOREIGN : 0;
	return (enum map_flags)flags;
}

/* The leaf for the index-th part of what a larger leaf maps, one level below. */
static inline uint64_t mmu_split(uint64_t leaf, unsigned int level, unsigned int index)
{
	uint64_t part = leaf + index * mmu_size(level - 1);

	return level == 2 ? part & ~PTE_LARGE : part;
}

/* And back: a 2 MB leaf for the block in which a 4 KB leaf was. */
static inline uint64_t mmu_join(uint64_t leaf, uint64_t block)
{
	return (leaf & ~PTE_ADDRESS) | block | PTE_LARGE;
}

/* The same leaf for another frame; of 4 KB. */
static inline uint64_t mmu_moved(uint64_t leaf, uint64_t frame)
{
	return (leaf & ~PTE_ADDRESS) | frame;
}

/* As if the hardware had noted that it was read and written. */
static inline uint64_t mmu_with_traces(uint64_t leaf)
{
	return leaf | PTE_ACCESSED | PTE_DIRTY;
}

static inline bool mmu_writable(uint64_t entry)
{
	return entry & PTE_WRITE;
}

static inline bool mmu_is_users(uint64_t entry)
{
	return entry & PTE_USER;
}

static inline bool mmu_is_foreign(uint64_t entry)
{
	return entry & PTE_FOREIGN;
}

/* Where physical addresses end that can be written into an entry. */
extern uint64_t mmu_phys_end;

#endif

/*
 * An MMU in C, as nasty as the manual allows (SDM vol. 3 §4.10): what a thread has walked once it
 * remembers until it is told to forget, leaves and the way to them, under its tag or globally. It
 * walks ahead of what anybody asked for, and writes accessed and dirty bits while it does.
 */
#define _GNU_SOURCE
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/mm.h>
#include <arch/mmu.h>
#include <arch/uaccess.h>
#include <kernel/mm/aspace.h>
#include <kernel/mm/frames.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>
#include <string.h>
#include <sys/mman.h>
#include <tests/host/smp/host.h>
#include <tests/host/smp/interrupts.h>
#include <tests/host/smp/mmu.h>
#include <tests/kernel/stale.h>

#define LEAVES    256
#define WAYS      16
#define SPECULATE 8 /* one in so many chances is taken */
#define RETRIES   100000

char *host_memory;
uint64_t mmu_nx = PTE_NX, mmu_phys_end = HOST_MEMORY;
bool mmu_has_1gb;
unsigned int mmu_tags;

static _Atomic uint64_t *kernel_top;

/* A leaf, or the way to a table of leaves, under a tag. */
struct remembered {
	bool valid;
	unsigned int tag, level; /* of the leaf */
	uint64_t virt, entry;    /* of the page it was needed for, or of the whole table */
};

static __thread struct remembered leaves[LEAVES], ways[WAYS];
static __thread uint64_t root;
static __thread unsigned int tag_in_use;
static __thread uint64_t last_address;

/* Spaces copy the entry that leads to the window's tables, so it must be there before. */
static void make_window(void)
{
	uint64_t table = frame_alloc();

	atomic_store_explicit(&kernel_top[mmu_slot(VMAP_START, MMU_LEVELS)],
			      mmu_table_entry(table, 0), memory_order_relaxed);
}

void mmu_init(unsigned int tags)
{
	mmu_tags = tags;
	host_memory = mmap(NULL, 2 * HOST_MEMORY, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (host_memory == MAP_FAILED)
		host_fail("no memory for the machine");
	frames_add(0, HOST_MEMORY);
	frames_start();
	kernel_top = phys_to_virt(frame_alloc());
	make_window();
	aspace_start();
}

uint64_t mmu_kernel_root(void)
{
	return virt_to_phys((const void *)kernel_top);
}

void mmu_share_kernel_half(void *top)
{
	_Atomic uint64_t *to = top;

	for (unsigned int slot = MMU_ENTRIES / 2; slot < MMU_ENTRIES; slot++)
		atomic_store_explicit(&to[slot],
				      atomic_load_explicit(&kernel_top[slot], memory_order_acquire),
				      memory_order_relaxed);
}

void mmu_start_here(void)
{
	root = mmu_kernel_root();
}

static bool is_global(const struct remembered *leaf)
{
	return leaf->entry & PTE_GLOBAL;
}

static void forget_ways(void)
{
	for (unsigned int i = 0; i < WAYS; i++)
		ways[i].valid &= ways[i].tag != tag_in_use;
}

/* Whatever its size was, the page goes as a whole. */
void mmu_flush_page(uint64_t virt)
{
	for (unsigned int i = 0; i < LEAVES; i++) {
		struct remembered *leaf = &leaves[i];

		if (leaf->valid && (leaf->tag == tag_in_use || is_global(leaf)) &&
		    virt >> mmu_shift(leaf->level) == leaf->virt >> mmu_shift(leaf->level))
			leaf->valid = false;
	}
	forget_ways();
}

void mmu_flush_tag(void)
{
	for (unsigned int i = 0; i < LEAVES; i++)
		leaves[i].valid &= leaves[i].tag != tag_in_use || is_global(&leaves[i]);
	forget_ways();
}

void mmu_flush_all(void)
{
	memset(leaves, 0, sizeof(leaves));
	memset(ways, 0, sizeof(ways));
}

void mmu_load(uint64_t new_root, unsigned int tag, bool keep)
{
	if (tag > mmu_tags || (keep && !mmu_tags))
		host_fail("CPU %u: a tag that there is not", this_cpu->index);
	root = new_root;
	tag_in_use = tag;
	if (!keep)
		mmu_flush_tag();
}

static struct remembered *find_leaf(uint64_t virt)
{
	for (unsigned int i = 0; i < LEAVES; i++) {
		struct remembered *leaf = &leaves[i];

		if (leaf->valid && leaf->virt == (virt & ~(PAGE_SIZE - 1)) &&
		    (leaf->tag == tag_in_use || is_global(leaf)))
			return leaf;
	}
	return NULL;
}

static struct remembered *remember(struct remembered *list, unsigned int size, uint64_t virt,
				   uint64_t entry, unsigned int level)
{
	struct remembered *place = &list[interrupts_random(size)];

	for (unsigned int i = 0; place->valid && i < size; i++)
		place = list[i].valid ? place : &list[i];
	*place = (struct remembered){ true, tag_in_use, level, virt, entry };
	return place;
}

/* Sets bits in an entry, if it is still what was read. */
static bool set_bits(_Atomic uint64_t *at, uint64_t entry, uint64_t bits)
{
	return !(bits & ~entry) ||
	       atomic_compare_exchange_strong_explicit(at, &entry, entry | bits,
						       memory_order_relaxed, memory_order_relaxed);
}

/* The table of leaves for an address that is remembered, or NULL. */
static _Atomic uint64_t *known_table(uint64_t virt)
{
	for (unsigned int i = 0; i < WAYS; i++) {
		if (ways[i].valid && ways[i].tag == tag_in_use &&
		    ways[i].virt >> mmu_shift(2) == virt >> mmu_shift(2))
			return phys_to_virt(mmu_table_phys(ways[i].entry));
	}
	return NULL;
}

/* Acquire: pairs with the release of who wrote the entry; x86 keeps stores in order. */
static uint64_t read_entry(_Atomic uint64_t *at)
{
	return atomic_load_explicit(at, memory_order_acquire);
}

/* From the top, or from the table that is remembered; the leaf is remembered then. */
static struct remembered *walk(uint64_t virt)
{
	_Atomic uint64_t *table = known_table(virt), *at;
	unsigned int level = table ? 1 : MMU_LEVELS;
	uint64_t entry;

	if (!table)
		table = phys_to_virt(root);
	for (;; level--) {
		at = &table[mmu_slot(virt, level)];
		entry = read_entry(at);
		if (!mmu_present(entry))
			return NULL;
		if (!set_bits(at, entry, PTE_ACCESSED))
			return walk(virt);
		if (mmu_is_leaf(entry, level))
			break;
		if (level == 2)
			remember(ways, WAYS, virt, entry, 2);
		table = phys_to_virt(mmu_table_phys(entry));
	}
	return remember(leaves, LEAVES, virt & ~(PAGE_SIZE - 1), entry, level);
}

/* Where the byte at an address is; NULL: a fault, behind which nothing is remembered of it. */
static void *translate(uint64_t virt, bool write)
{
	struct remembered *leaf = find_leaf(virt);

	last_address = virt;
	if (!leaf)
		leaf = walk(virt);
	if (leaf && write && !mmu_writable(leaf->entry)) {
		mmu_flush_page(virt);
		return NULL;
	}
	if (!leaf)
		return NULL;
	return phys_to_virt(mmu_leaf_phys(leaf->entry, leaf->level) +
			    (virt & (mmu_size(leaf->level) - 1)));
}

void mmu_speculate(void)
{
	if (root && last_address && !interrupts_random(SPECULATE) && !find_leaf(last_address))
		walk(last_address);
}

/* One instruction: it is not interrupted between the translation and the access. */
static bool try_access(uint64_t *value, uint64_t address, bool write)
{
	unsigned long flags = irq_save();
	_Atomic uint64_t *word = translate(address, write);

	if (word && write)
		atomic_store_explicit(word, *value, memory_order_relaxed);
	else if (word)
		*value = atomic_load_explicit(word, memory_order_relaxed);
	irq_restore(flags);
	return word;
}

/* As arch/x86_64/uaccess.c and kernel/mm/page_fault.c do it together. */
static int access_user(uint64_t *value, uint64_t address, bool write)
{
	if (address < USER_START || address > USER_END - sizeof(*value))
		return -EFAULT;
	for (unsigned int i = 0; i < RETRIES; i++) {
		if (try_access(value, address, write))
			return 0;
		if (irqs_disabled() || !aspace_current())
			return -EFAULT;
		if (aspace_fault(aspace_current(), address, write ? MAP_WRITE : 0))
			return -EFAULT;
	}
	host_fail("CPU %u faults at %#lx without end", this_cpu->index, address);
}

int get_user(uint64_t *value, uint64_t address)
{
	return access_user(value, address, false);
}

int put_user(uint64_t value, uint64_t address)
{
	return access_user(&value, address, true);
}

int kernel_word(uint64_t *value, uint64_t address)
{
	return try_access(value, address, false) ? 0 : -EFAULT;
}

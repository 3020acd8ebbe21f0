/*
 * The MMU of this CPU: which tables it walks, and what it remembers of them.
 */
#ifndef ARCH_MMU_H
#define ARCH_MMU_H

#include <arch/page.h>
#include <stdbool.h>
#include <stdint.h>

/* The kernel's own top table, and its half in a new top table, which leads to the same tables. */
uint64_t mmu_kernel_root(void);
void mmu_share_kernel_half(void *top);

/*
 * What follows is about this CPU alone. Interrupts off, but for mmu_flush_page.
 *
 * A CPU that has tags (PCIDs) keeps what it remembers of several spaces apart; there are
 * mmu_tags of them beside tag 0, which is for when nobody's lower half is in use. Without, all
 * but global pages is forgotten each time a root is loaded.
 */
extern unsigned int mmu_tags;

#define CR3_KEEP (1ull << 63) /* PCID: nothing is forgotten (SDM vol. 3 §4.10.4.1) */

/* Tables to walk from now on, and whether what is remembered under the tag is still right. */
static inline void mmu_load(uint64_t root, unsigned int tag, bool keep)
{
	asm volatile("mov %0, %%cr3" : : "r"(root | tag | (keep ? CR3_KEEP : 0)) : "memory");
}

/*
 * Forgets one page, of whatever size, of the tag in use; a global one, too. And everything
 * about upper levels that is remembered under that tag (SDM vol. 3 §4.10.4.1).
 */
static inline void mmu_flush_page(uint64_t virt)
{
	asm volatile("invlpg (%0)" : : "r"(virt) : "memory");
}

/* Forgets all that is remembered under the tag in use, but global pages. */
static inline void mmu_flush_tag(void)
{
	uint64_t root;

	asm volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(root) : : "memory");
}

/* Forgets everything: global pages, and all tags. */
void mmu_flush_all(void);

#endif

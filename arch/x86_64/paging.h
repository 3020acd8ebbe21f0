/*
 * The kernel's page tables, for the rest of arch. Contexts as <arch/mm.h>.
 */
#ifndef X86_PAGING_H
#define X86_PAGING_H

#include <stdint.h>

/* Page-attribute choices for this CPU: PAT, NX, global pages. On every CPU. */
void paging_cpu_init(void);

/*
 * A second top table that also maps [phys, phys + length) to itself, writable and
 * executable: the trampoline's. Returns its physical address, below 4 GB, or 0.
 */
uint64_t paging_identity_table(uint64_t phys, uint64_t length);

/*
 * Takes back what was just mapped, all of [virt, end). No CPU is told, so nobody may have used it,
 * and nothing else may ever be mapped there.
 */
void paging_unmap(uint64_t virt, uint64_t end);

#endif

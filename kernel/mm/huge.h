/*
 * Splitting large pages, for the files of kernel/mm alone.
 */
#ifndef KERNEL_MM_HUGE_H
#define KERNEL_MM_HUGE_H

#include <kernel/mm/table.h>
#include <stdint.h>

/*
 * Splits the large pages that [start, end) covers in part; all of it is mapped. 0 or -ENOMEM, and
 * then nothing was split. The space is locked.
 */
int huge_split_ends(struct tlb_batch *batch, uint64_t start, uint64_t end);

/* Splits the large page of a leaf, with a frame that becomes the table. The space is locked. */
void huge_split_with(struct aspace *aspace, const struct entry *entry, uint64_t virt,
		     uint64_t table);

#endif

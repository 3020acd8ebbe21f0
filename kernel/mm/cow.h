/*
 * Copy-on-write, for the files of kernel/mm alone.
 */
#ifndef KERNEL_MM_COW_H
#define KERNEL_MM_COW_H

#include <kernel/mm/table.h>

/*
 * Makes the page of a leaf that is to be copied before it is written writable: by a copy, or as
 * it is, if nobody else has it any more. The space is locked. 0 or -ENOMEM.
 */
int cow_break(struct aspace *aspace, struct entry *entry, uint64_t virt);

#endif

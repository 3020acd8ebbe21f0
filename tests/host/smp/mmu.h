/*
 * The MMU of the machine of threads, for its other files and for tests.
 */
#ifndef TESTS_HOST_SMP_MMU_H
#define TESTS_HOST_SMP_MMU_H

#include <stdint.h>

/* Memory, and the kernel's tables. tags: how many PCIDs beside the kernel's CPUs have; 0: none. */
void mmu_init(unsigned int tags);

/* Each thread, before its first access: it walks the kernel's tables, and remembers nothing. */
void mmu_start_here(void);

/*
 * Interrupts off, or else one could come in the middle of a walk, which no interrupt does. Now and
 * then walks the tables that are loaded for an address that was in use lately, as CPUs do
 * whenever they like, and sets the bits that a walk sets.
 */
void mmu_speculate(void);

#endif

/*
 * The contract of arch/x86_64/include/arch/mmu.h kept by a program: tables are walked in C, and
 * each thread has a TLB that forgets nothing by itself (tests/host/smp/mmu.c).
 */
#ifndef ARCH_MMU_H
#define ARCH_MMU_H

#include <arch/page.h>
#include <stdbool.h>
#include <stdint.h>

extern unsigned int mmu_tags;

uint64_t mmu_kernel_root(void);
void mmu_share_kernel_half(void *top);

void mmu_load(uint64_t root, unsigned int tag, bool keep);
void mmu_flush_page(uint64_t virt);
void mmu_flush_tag(void);
void mmu_flush_all(void);

#endif

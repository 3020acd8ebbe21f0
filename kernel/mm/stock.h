/*
 * The stock of free frames, for the frame allocator alone. Its lock is held for each
 * of these; interrupts are off.
 */
#ifndef KERNEL_MM_STOCK_H
#define KERNEL_MM_STOCK_H

#include <stdbool.h>
#include <stdint.h>

/* With the lock, interrupts off. */
unsigned long stock_lock(void);
void stock_unlock(unsigned long flags);

/* One frame; or count in a row, aligned to align bytes, below limit. FRAME_NONE: there is none. */
uint64_t stock_take(void);
uint64_t stock_take_row(uint64_t count, uint64_t align, uint64_t limit);

/* Back; refs say already whether they are poisoned. */
void stock_give(uint64_t frame);
void stock_give_block(uint64_t block);

/* How many frames a CPU may keep for itself, so that few CPUs' caches do not hold all. */
uint32_t stock_cache_limit(void);

#endif

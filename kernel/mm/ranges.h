/*
 * Memory that nobody has used yet, for the frame allocator alone: one CPU at a time.
 */
#ifndef KERNEL_MM_RANGES_H
#define KERNEL_MM_RANGES_H

#include <stdbool.h>
#include <stdint.h>

/*
 * In bytes, whole frames. Adds what may be there already, if there is room for one more range;
 * takes out what may not be there, and what there is no room for.
 */
bool ranges_add(uint64_t start, uint64_t end);
void ranges_cut(uint64_t start, uint64_t end);

/* count frames in a row, aligned to align bytes, all below limit; FRAME_NONE. */
uint64_t ranges_take(uint64_t count, uint64_t align, uint64_t limit);

/* How many frames there are, whether any lie in [start, end), and where the last one ends. */
uint64_t ranges_free(void);
bool ranges_touch(uint64_t start, uint64_t end);
uint64_t ranges_end(void);

#endif

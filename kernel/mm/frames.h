/*
 * Physical memory in frames of one page, and in blocks of the size of a large page.
 *
 * Each frame that was given out is counted: whoever maps it once more takes a reference,
 * and the last one to put its reference gives the frame back. Free frames lie in three
 * places: in this CPU's cache, which needs no lock; in the stock's lists; in the ranges
 * that the firmware gave and nobody has used yet.
 */
#ifndef KERNEL_MM_FRAMES_H
#define KERNEL_MM_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#define FRAME_NONE 0 /* frame 0 is never given out */

/* Nothing above is used: a frame's number has 32 bits in the table of frames. */
#define FRAMES_END (1ull << 44)

/* A CPU's own free frames. Interrupts off. */
#define FRAME_CACHE 32
struct frame_cache {
	uint32_t count;
	uint64_t frames[FRAME_CACHE];
};

/*
 * Boot: usable memory, then what lies in it and is in use. Ranges are cut to whole
 * frames, inwards for add and outwards for reserve; they may overlap in any way.
 */
void frames_add(uint64_t base, uint64_t length);
void frames_reserve(uint64_t base, uint64_t length);

/* Makes the table of frames: from here on they are counted. Boot CPU, once; panics. */
void frames_start(void);

/*
 * count frames in a row, all below limit, zeroed, each with one reference; FRAME_NONE
 * when there are none. From boot on; any context but NMI.
 */
uint64_t frames_alloc(uint64_t count, uint64_t limit);

/*
 * The memory of one page of a level (<arch/mmu.h>), aligned to its size: one frame, or
 * 512, or 512 times as many. Each has one reference; what is in them is anything. Any
 * context but NMI, after frames_start, as are the rest. FRAME_NONE when there is none.
 */
uint64_t page_alloc(unsigned int level);

/* One more reference to each of a page's frames, which must have one. */
void page_get(uint64_t phys, unsigned int level);

/* Puts one reference to each; what had no other is free. */
void page_put(uint64_t phys, unsigned int level);

/*
 * Whether any of its frames has another reference than the caller's. Acquire: what the
 * last one who put a reference did before is done.
 */
bool page_is_shared(uint64_t phys, unsigned int level);

/* One frame from anywhere, zeroed, or FRAME_NONE; and back, by its only owner. */
uint64_t frame_alloc(void);
void frame_free(uint64_t frame);

/* How often a frame is referenced; 0 for a free one, and for what is not counted. */
uint32_t frame_refs(uint64_t frame);

/* Whether a frame is RAM in the table of frames. */
bool frame_is_counted(uint64_t frame);

/* In frames. Any context. */
uint64_t frames_free(void);
uint64_t frames_total(void);

/*
 * Fills frames that become free with a pattern, and looks for it when they are given
 * out: who still writes to a free frame is found. How many such frames were found.
 */
void frames_poison(bool on);
uint64_t frames_late_writes(void);
#define FRAME_POISON 0xdeadf4a3e0dead55ull

/*
 * For tests: of the allocations from now on, the nth of one page finds no memory; 0: none.
 * Returns how many are still to come before that one.
 */
uint64_t frames_fail_at(uint64_t nth);

#endif

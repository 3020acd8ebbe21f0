/*
 * The table of frames: what is known of each frame of RAM. It comes in sections, so that
 * holes in physical memory cost a pointer only.
 */
#ifndef KERNEL_MM_FRAME_TABLE_H
#define KERNEL_MM_FRAME_TABLE_H

#include <arch/mm.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SECTION_SHIFT  27
#define SECTION_FRAMES (1u << (SECTION_SHIFT - 12))
#define BLOCK_FRAMES   512u /* of a 2 MB page */
#define SECTION_BLOCKS (SECTION_FRAMES / BLOCK_FRAMES)

/*
 * A frame's state is its number of references, or one of these. Who may make a move:
 *
 *   0, RANGED ─(who gets it)─► 1 … n ─(who puts the last)─► CACHED ─(stock)─► LISTED
 *                                ▲                            │               │
 *                                └─────────(who gets it)──────┴───────────────┤
 *                                                   RANGED ◄────(stock)───────┘
 */
#define FRAME_FREE     (1u << 31)
#define FRAME_POISONED (1u << 30)       /* and filled with FRAME_POISON */
#define FRAME_CACHED   (FRAME_FREE | 1) /* in a CPU's cache */
#define FRAME_LISTED   (FRAME_FREE | 2) /* in the stock's list */
#define FRAME_RANGED   (FRAME_FREE | 3) /* in a range again */

struct frame {
	_Atomic uint32_t refs;
	uint32_t next, prev; /* in a list of the stock's: frame numbers, 0 for none */
};

struct section {
	struct frame *frames;
	uint16_t listed[SECTION_BLOCKS]; /* how many frames of each block are in the list */
};

extern struct section *frame_sections;
extern uint64_t frame_section_count; /* 0 until frames_start */

/* Makes the table for what lies below end and for which wanted says yes. 0 or -ENOMEM. */
int frame_table_make(uint64_t end, bool (*wanted)(uint64_t start, uint64_t end));

static inline struct section *section_of(uint64_t phys)
{
	return &frame_sections[phys >> SECTION_SHIFT];
}

/* Of a frame that is counted. */
static inline struct frame *frame_of(uint64_t phys)
{
	return &section_of(phys)->frames[phys / PAGE_SIZE % SECTION_FRAMES];
}

/* To another free state; whether it is poisoned stays as it was. */
static inline void frame_move(struct frame *frame, uint32_t state)
{
	uint32_t refs = atomic_load_explicit(&frame->refs, memory_order_relaxed);

	atomic_store_explicit(&frame->refs, state | (refs & FRAME_POISONED), memory_order_relaxed);
}

#endif

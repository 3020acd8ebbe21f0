/*
 * Looks into all free frames at once.
 */
#include "poison.h"
#include <kernel/console/printk.h>
#include <kernel/mm/frame_table.h>
#include <kernel/mm/frames.h>

#define WORDS (PAGE_SIZE / sizeof(uint64_t))

static uint32_t state_of(const struct frame *frame)
{
	return atomic_load_explicit(&frame->refs, memory_order_acquire);
}

/* The first word that is not as it was left; WORDS: all are. */
static unsigned int find_written(const _Atomic uint64_t *words)
{
	unsigned int i = 0;

	while (i < WORDS && atomic_load_explicit(&words[i], memory_order_relaxed) == FRAME_POISON)
		i++;
	return i;
}

/* Somebody may be given it meanwhile, and write to it: then it does not count. */
static bool take_poison_off(struct frame *frame, uint32_t state)
{
	return atomic_compare_exchange_strong_explicit(&frame->refs, &state,
						       state & ~FRAME_POISONED,
						       memory_order_acq_rel, memory_order_relaxed);
}

static bool is_broken(struct frame *frame, uint32_t state, uint64_t phys)
{
	const _Atomic uint64_t *words = phys_to_virt(phys);
	unsigned int at = find_written(words);
	uint64_t seen;

	if (!take_poison_off(frame, state) || at == WORDS)
		return false;
	/* Poison again: it was given out, and came back. */
	seen = atomic_load_explicit(&words[at], memory_order_relaxed);
	if (seen == FRAME_POISON)
		return false;
	printk("# %#lx was written after it was free: %#lx at +%#lx\n", phys, seen,
	       at * sizeof(uint64_t));
	return true;
}

static uint64_t broken_in(uint64_t section)
{
	struct frame *frames = frame_sections[section].frames;
	uint64_t broken = 0;

	for (uint64_t i = 0; frames && i < SECTION_FRAMES; i++) {
		uint32_t state = state_of(&frames[i]);

		if (state & FRAME_POISONED)
			broken += is_broken(&frames[i], state,
					    (section << SECTION_SHIFT) + i * PAGE_SIZE);
	}
	return broken;
}

uint64_t poison_broken(void)
{
	uint64_t broken = 0;

	for (uint64_t section = 0; section < frame_section_count; section++)
		broken += broken_in(section);
	return broken;
}

/*
 * Memory that nobody has used yet: a short table of ranges, as the firmware gave them.
 * What is taken is cut from the highest place that fits.
 */
#include <arch/mm.h>
#include <kernel/console/printk.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/ranges.h>

#define MAX_RANGES 512

struct range {
	uint64_t start, end; /* in bytes, whole frames */
};

static struct range ranges[MAX_RANGES];
static unsigned int range_count;
static uint64_t free_count;

static bool add_range(uint64_t start, uint64_t end)
{
	if (start >= end)
		return true;
	if (range_count == MAX_RANGES)
		return false;
	ranges[range_count++] = (struct range){ start, end };
	free_count += (end - start) / PAGE_SIZE;
	return true;
}

static void remove_range(unsigned int index)
{
	free_count -= (ranges[index].end - ranges[index].start) / PAGE_SIZE;
	ranges[index] = ranges[--range_count];
}

/* Takes [start, end) out of what is free; a range that it splits becomes two. */
void ranges_cut(uint64_t start, uint64_t end)
{
	for (unsigned int i = 0; i < range_count;) {
		struct range hit = ranges[i];

		if (hit.end <= start || hit.start >= end) {
			i++;
			continue;
		}
		remove_range(i);
		if (!add_range(hit.start, hit.start < start ? start : hit.start) ||
		    !add_range(hit.end > end ? end : hit.end, hit.end))
			printk_once("frames: over %u ranges of memory, the rest is not used\n",
				    MAX_RANGES);
		i = 0;
	}
}

/* Takes the neighbours out whose borders these are, and returns them as part of the range. */
static struct range with_neighbours(uint64_t start, uint64_t end)
{
	struct range whole = { start, end };

	for (unsigned int i = 0; i < range_count;) {
		struct range other = ranges[i];

		if (other.end != whole.start && other.start != whole.end) {
			i++;
			continue;
		}
		remove_range(i);
		whole.start = other.start < whole.start ? other.start : whole.start;
		whole.end = other.end > whole.end ? other.end : whole.end;
		i = 0;
	}
	return whole;
}

bool ranges_add(uint64_t start, uint64_t end)
{
	struct range whole;

	ranges_cut(start, end);
	whole = with_neighbours(start, end);
	return add_range(whole.start, whole.end);
}

/* The highest place in a range for so much, aligned to align, below limit; FRAME_NONE. */
static uint64_t place_in(const struct range *range, uint64_t bytes, uint64_t align, uint64_t limit)
{
	uint64_t end = range->end < limit ? range->end : limit;
	uint64_t start;

	if (range->start >= end || end - range->start < bytes)
		return FRAME_NONE;
	start = (end - bytes) & ~(align - 1);
	return start >= range->start ? start : FRAME_NONE;
}

/* Cuts count frames out of the ranges, from the highest place there is. */
uint64_t ranges_take(uint64_t count, uint64_t align, uint64_t limit)
{
	uint64_t bytes = count * PAGE_SIZE, best = FRAME_NONE;

	if (!count || count > free_count)
		return FRAME_NONE;
	for (struct range *range = ranges; range < ranges + range_count; range++) {
		uint64_t place = place_in(range, bytes, align, limit & ~(PAGE_SIZE - 1));

		if (place > best)
			best = place;
	}
	if (best)
		ranges_cut(best, best + bytes);
	return best;
}

uint64_t ranges_free(void)
{
	return free_count;
}

bool ranges_touch(uint64_t start, uint64_t end)
{
	for (unsigned int i = 0; i < range_count; i++) {
		if (ranges[i].start < end && ranges[i].end > start)
			return true;
	}
	return false;
}

uint64_t ranges_end(void)
{
	uint64_t end = 0;

	for (unsigned int i = 0; i < range_count; i++) {
		if (ranges[i].end > end)
			end = ranges[i].end;
	}
	return end;
}

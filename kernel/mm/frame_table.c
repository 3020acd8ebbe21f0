/*
 * Makes the table of frames.
 */
#include <kernel/mm/frame_table.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/ranges.h>
#include <lib/errno.h>
#include <lib/string.h>

struct section *frame_sections;
uint64_t frame_section_count;

static void *alloc(uint64_t bytes)
{
	uint64_t count = (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
	uint64_t phys = ranges_take(count, PAGE_SIZE, FRAMES_END);

	return phys ? memset(phys_to_virt(phys), 0, count * PAGE_SIZE) : NULL;
}

int frame_table_make(uint64_t end, bool (*wanted)(uint64_t start, uint64_t end))
{
	uint64_t count = (end >> SECTION_SHIFT) + 1;

	frame_sections = alloc(count * sizeof(struct section));
	if (!frame_sections)
		return -ENOMEM;
	for (uint64_t i = 0; i < count; i++) {
		if (!wanted(i << SECTION_SHIFT, (i + 1) << SECTION_SHIFT))
			continue;
		frame_sections[i].frames = alloc(SECTION_FRAMES * sizeof(struct frame));
		if (!frame_sections[i].frames)
			return -ENOMEM;
	}
	frame_section_count = count;
	return 0;
}

bool frame_is_counted(uint64_t frame)
{
	return frame >> SECTION_SHIFT < frame_section_count && section_of(frame)->frames;
}

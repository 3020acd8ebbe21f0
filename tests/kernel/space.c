/*
 * The space that a test has, from its making to its end.
 */
#include "space.h"
#include "test.h"
#include <kernel/mm/frames.h>
#include <stddef.h>

struct aspace *space;
uint64_t space_free_before;

bool space_begin(void)
{
	space_free_before = frames_free();
	space = aspace_create();
	if (!space)
		test_fail(__FILE__, __LINE__, "no memory for a space");
	else
		aspace_use(space);
	return space;
}

void space_end(void)
{
	aspace_use(NULL);
	EXPECT_EQ(aspace_destroy(space), 0);
	EXPECT_EQ(frames_free(), space_free_before);
}

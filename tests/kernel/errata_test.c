/*
 * The list of errata.
 */
#include "test.h"
#include <arch/x86_64/errata.h>

TEST(errata, invlpg_by_model_and_microcode)
{
	EXPECT(errata_invlpg_leaves_global_on(0x97, 0x2d));
	EXPECT(!errata_invlpg_leaves_global_on(0x97, 0x2e));
	EXPECT(errata_invlpg_leaves_global_on(0xba, 0x4116));
	EXPECT(!errata_invlpg_leaves_global_on(0xba, 0x4117));
	EXPECT(!errata_invlpg_leaves_global_on(0x3c, 0)); /* Haswell */
}

/*
 * A list of known errata, and whether this CPU is one of those.
 *
 * INVLPG and global pages with PCIDs (Intel ADL063, RPL042 and the like): newer microcode mends
 * it. A guest's microcode revision says nothing, and guests are not affected.
 */
#include "errata.h"
#include "cpu_features.h"
#include "regs.h"
#include <arch/cpu.h>
#include <lib/string.h>

static const struct {
	unsigned int model;
	uint32_t mended; /* the first revision that is */
} invlpg[] = {
	{ 0x97, 0x2e },   /* Alder Lake */
	{ 0x9a, 0x42c },  /* Alder Lake, mobile */
	{ 0xbe, 0x11 },   /* Alder Lake N, Gracemont */
	{ 0xb7, 0x118 },  /* Raptor Lake */
	{ 0xba, 0x4117 }, /* Raptor Lake, mobile */
	{ 0xbf, 0x2e },   /* Raptor Lake, small */
};

bool errata_invlpg_leaves_global_on(unsigned int model, uint32_t microcode)
{
	for (unsigned int i = 0; i < sizeof(invlpg) / sizeof(invlpg[0]); i++) {
		if (invlpg[i].model == model)
			return microcode < invlpg[i].mended;
	}
	return false;
}

static bool is_intel(void)
{
	struct cpuid vendor = cpuid(0, 0);
	uint32_t name[3] = { vendor.ebx, vendor.edx, vendor.ecx };

	return !memcmp(name, "GenuineIntel", sizeof(name));
}

/* SDM vol. 2, CPUID leaf 1: family 11…8, model 7…4 and 19…16. */
bool errata_invlpg_leaves_global(void)
{
	uint32_t signature = cpuid(1, 0).eax;

	return is_intel() && (signature >> 8 & 0xf) == 6 && !cpu_is_virtual() &&
	       errata_invlpg_leaves_global_on((signature >> 4 & 0xf) | (signature >> 12 & 0xf0),
					      cpu_microcode());
}

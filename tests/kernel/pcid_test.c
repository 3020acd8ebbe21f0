/*
 * Tags of the TLB (PCIDs): all CPUs use them where the CPU has them and nothing speaks against it,
 * and nowhere else.
 */
#include "mm.h"
#include "space.h"
#include "test.h"
#include <arch/mmu.h>
#include <arch/x86_64/errata.h>
#include <arch/x86_64/regs.h>
#include <kernel/bootword.h>
#include <kernel/console/printk.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <lib/string.h>

#define CPUID_PCID (1u << 17) /* leaf 1, ECX */
#define PCIDS      4096

static bool asked_for;

static void look_at_word(const struct boot_word *word)
{
	if (!strcmp(word->name, "pcid"))
		asked_for = !strcmp(word->choices[*(const unsigned int *)word->target], "on");
}

static void compare_cr4(void *info)
{
	EXPECT_EQ(!!(read_cr4() & CR4_PCIDE), *(const bool *)info);
}

static uint64_t pcid_in_use(void)
{
	return read_cr3() & (PCIDS - 1);
}

TEST(tlb, pcids_are_used_where_they_may_be)
{
	bool has = cpuid(1, 0).ecx & CPUID_PCID, erratum = errata_invlpg_leaves_global();
	bool used;

	boot_words_visit(look_at_word);
	used = has && asked_for && !erratum;
	printk("# PCIDs are %s: %s, pcid=%s%s\n", used ? "used" : "not used",
	       has ? "the CPU has them" : "the CPU has none", asked_for ? "on" : "off",
	       erratum ? ", INVLPG leaves global pages" : "");
	EXPECT_EQ(mmu_tags, used ? PCIDS - 1 : 0);
	EXPECT_EQ(on_each_cpu(compare_cr4, &used, true), 0);
}

/* Two spaces are remembered apart, and apart from the kernel's own tables. */
TEST(tlb, each_space_has_its_pcid)
{
	struct aspace *other;
	uint64_t first, second;

	REQUIRE(space_begin());
	first = pcid_in_use();
	other = aspace_create();
	REQUIRE(other);
	aspace_use(other);
	second = pcid_in_use();
	aspace_use(space);
	EXPECT_EQ(pcid_in_use(), first);
	EXPECT_EQ(first != 0, mmu_tags != 0);
	EXPECT_EQ(second != first && second, mmu_tags != 0);
	EXPECT_EQ(aspace_destroy(other), 0);
	space_end();
}

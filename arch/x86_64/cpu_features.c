/*
 * CPUID: who made this CPU, where it sits, what it can do.
 */
#include "cpu_features.h"
#include "fpu.h"
#include "regs.h"
#include <arch/cpu.h>
#include <arch/machine.h>
#include <arch/mmu.h>
#include <arch/trap.h>
#include <arch/uaccess.h>
#include <kernel/smp/cpu.h>
#include <lib/string.h>

#define LEAF_FEATURES        7
#define FEATURE_SMEP         (1u << 7) /* EBX */
#define FEATURE_SMAP         (1u << 20)
#define FEATURE_UMIP         (1u << 2) /* ECX */
#define FEATURE_MCE          (1u << 7) /* leaf 1, EDX */
#define FEATURE_MONITOR      (1u << 3) /* leaf 1, ECX */
#define LEAF_MONITOR         5
#define LEAF_HYPERVISOR      0x40000000
#define FEATURE_HYPERVISOR   (1u << 31) /* leaf 1, ECX */
#define VENDOR_GENUINE_INTEL 0x756e6547 /* leaf 0, EBX: "Genu" */
#define LEAF_BRAND           0x80000002
#define LEAF_TOPOLOGY        0xb
#define LEAF_TOPOLOGY_V2     0x1f

enum topology_level { LEVEL_INVALID = 0, LEVEL_THREAD = 1, LEVEL_CORE = 2 };

/* Whole, not bit by bit: what firmware left on the boot CPU is on no other. */
void cpu_features_init(void)
{
	struct cpuid features = { 0 };
	uint64_t cr4 = CR4_PAE | CR4_PGE;

	if (cpuid(0, 0).eax >= LEAF_FEATURES)
		features = cpuid(LEAF_FEATURES, 0);
	if (cpuid(1, 0).edx & FEATURE_MCE)
		cr4 |= CR4_MCE;
	if (features.ebx & FEATURE_SMEP)
		cr4 |= CR4_SMEP;
	if (features.ebx & FEATURE_SMAP)
		cr4 |= CR4_SMAP;
	arch_has_smap = features.ebx & FEATURE_SMAP;
	if (features.ecx & FEATURE_UMIP)
		cr4 |= CR4_UMIP;
	if (mmu_tags)
		cr4 |= CR4_PCIDE;
	write_cr4(cr4);
	fpu_cpu_init();
}

/*
 * Each sub-leaf says by how much to shift the id to get to the next level
 * (SDM vol. 3 §9.9.3): thread | core | package.
 */
static bool topology_by_leaf(uint32_t leaf, struct arch_cpu *arch)
{
	unsigned int thread_shift = 0, package_shift = 0;
	uint32_t id = 0;

	if (cpuid(0, 0).eax < leaf || !cpuid(leaf, 0).ebx)
		return false;
	for (uint32_t sub = 0; sub < 8; sub++) {
		struct cpuid level = cpuid(leaf, sub);
		uint32_t type = level.ecx >> 8 & 0xff;

		if (type == LEVEL_INVALID)
			break;
		id = level.edx;
		package_shift = level.eax & 31;
		if (type == LEVEL_THREAD)
			thread_shift = package_shift;
	}
	arch->thread = id & ((1u << thread_shift) - 1);
	arch->core = (id & ((1u << package_shift) - 1)) >> thread_shift;
	arch->package = id >> package_shift;
	return true;
}

static unsigned int bits_for(unsigned int count)
{
	unsigned int bits = 0;

	while (1u << bits < count)
		bits++;
	return bits;
}

/* Before leaf 0Bh: the number of ids a package takes, leaf 1, EBX 23…16. */
static void topology_old(struct arch_cpu *arch)
{
	struct cpuid one = cpuid(1, 0);
	unsigned int shift = one.edx & 1u << 28 ? bits_for(one.ebx >> 16 & 0xff) : 0;

	arch->thread = 0;
	arch->core = (one.ebx >> 24) & ((1u << shift) - 1);
	arch->package = (one.ebx >> 24) >> shift;
}

/* SDM vol. 3 §10.11.7.1: write 0, CPUID, read the high half. AMD: the low half. */
uint32_t cpu_microcode(void)
{
	uint64_t value = 0;

	if (wrmsr_safe(MSR_MICROCODE, 0))
		return rdmsr_safe(MSR_MICROCODE, &value) ? 0 : (uint32_t)value;
	cpuid(1, 0);
	if (rdmsr_safe(MSR_MICROCODE, &value))
		return 0;
	return value >> 32 ? (uint32_t)(value >> 32) : (uint32_t)value;
}

void cpu_identify(struct cpu *cpu)
{
	struct arch_cpu *arch = &cpu->arch;

	if (!topology_by_leaf(LEAF_TOPOLOGY_V2, arch) && !topology_by_leaf(LEAF_TOPOLOGY, arch))
		topology_old(arch);
	arch->microcode = cpu_microcode();
}

uint32_t arch_microcode(void)
{
	return this_cpu->arch.microcode;
}

/* Family and model of leaf 1, EAX (SDM vol. 2, CPUID). */
static uint32_t family_and_model(void)
{
	uint32_t eax = cpuid(1, 0).eax;

	return (eax >> 8 & 0xf) << 8 | (eax >> 12 & 0xf0) | (eax >> 4 & 0xf);
}

/* Intel's, on which a store may fail to end MWAIT: Goldmont (APL30), Lunar Lake (LNL046). */
static bool monitor_is_deaf(void)
{
	uint32_t model = family_and_model();

	return cpuid(0, 0).ebx == VENDOR_GENUINE_INTEL && (model == 0x65c || model == 0x6bd);
}

bool cpu_has_monitor(void)
{
	if (!(cpuid(1, 0).ecx & FEATURE_MONITOR) || cpuid(0, 0).eax < LEAF_MONITOR)
		return false;
	return !monitor_is_deaf();
}

struct cpuid hypervisor_leaf(uint32_t n)
{
	if (!(cpuid(1, 0).ecx & FEATURE_HYPERVISOR) ||
	    cpuid(LEAF_HYPERVISOR, 0).eax < LEAF_HYPERVISOR + n)
		return (struct cpuid){ 0 };
	return cpuid(LEAF_HYPERVISOR + n, 0);
}

const char *cpu_model(void)
{
	static char model[64];
	const char *text = model;

	if (cpuid(0x80000000, 0).eax < LEAF_BRAND + 2)
		return "unknown CPU";
	for (uint32_t i = 0; i < 3; i++) {
		struct cpuid part = cpuid(LEAF_BRAND + i, 0);

		memcpy(model + 16 * i, &part, 16);
	}
	while (*text == ' ')
		text++;
	for (size_t end = strlen(model); end && model[end - 1] == ' '; end--)
		model[end - 1] = '\0';
	return text;
}

const char *cpu_hypervisor(void)
{
	static const struct {
		char signature[13];
		const char *name;
	} known[] = {
		{ "TCGTCGTCGTCG", "QEMU TCG" },   { "KVMKVMKVM\0\0\0", "KVM" },
		{ "VMwareVMware", "VMware" },     { "Microsoft Hv", "Hyper-V" },
		{ "XenVMMXenVMM", "Xen" },        { "bhyve bhyve ", "bhyve" },
		{ "VBoxVBoxVBox", "VirtualBox" },
	};
	static char other[13];
	struct cpuid leaf;

	if (!(cpuid(1, 0).ecx & FEATURE_HYPERVISOR))
		return NULL;
	leaf = cpuid(LEAF_HYPERVISOR, 0);
	memcpy(other, &leaf.ebx, 12);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!memcmp(other, known[i].signature, 12))
			return known[i].name;
	}
	return other[0] ? other : "unnamed hypervisor";
}

bool cpu_is_virtual(void)
{
	return cpu_hypervisor() != NULL;
}

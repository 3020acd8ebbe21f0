/*
 * In which mode the local APICs are driven, and how each gets there (SDM vol. 3 §11.12).
 *
 *   APIC_BASE    EN  EXTD      may become
 *   disabled      0    0       xAPIC
 *   xAPIC         1    0       disabled, x2APIC
 *   x2APIC        1    1       disabled; nothing at all where the firmware locked it
 *
 * One mode serves all CPUs: auto takes x2APIC where the CPU has it and the firmware does
 * not ask for xAPIC; what apic= asks for and cannot be had is said.
 */
#include "acpi.h"
#include "apic.h"
#include "regs.h"
#include <arch/machine.h>
#include <arch/trap.h>
#include <kernel/bootword.h>
#include <kernel/console/printk.h>

#define CPUID_X2APIC             (1u << 21) /* leaf 1, ECX */
#define CAPABILITY_XAPIC_DISABLE (1ull << 21)
#define LEGACY_XAPIC_DISABLED    1

bool apic_x2;

static enum apic_word { APIC_AUTO, APIC_XAPIC, APIC_X2APIC } wanted_mode;
static const char *refused; /* why that cannot be had */
static const char *const mode_words[] = { "auto", "xapic", "x2apic", NULL };
BOOT_WORD_CHOICE(apic, mode_words, wanted_mode, "how to drive the local APICs");

/* SDM vol. 4 table 2-2, MSR BDh: a write that clears APIC_BASE.EXTD faults until reset. */
static bool x2apic_locked(void)
{
	uint64_t capabilities, status;

	if (rdmsr_safe(MSR_ARCH_CAPABILITIES, &capabilities) ||
	    !(capabilities & CAPABILITY_XAPIC_DISABLE))
		return false;
	return !rdmsr_safe(MSR_XAPIC_DISABLE_STATUS, &status) && status & LEGACY_XAPIC_DISABLED;
}

static bool want_x2apic(uint32_t highest_id)
{
	bool present = cpuid(1, 0).ecx & CPUID_X2APIC;
	bool on = rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC;

	if (on)
		printk("apic: the firmware left x2APIC on\n");
	if (wanted_mode == APIC_X2APIC && !present)
		refused = "this CPU has no x2APIC, xAPIC is used";
	else if (wanted_mode == APIC_XAPIC && on && x2apic_locked())
		refused = "the firmware locked x2APIC on, xAPIC cannot be had";
	if (refused)
		printk("apic: %s\n", refused);
	if (wanted_mode == APIC_AUTO && present && acpi_no_x2apic && !on &&
	    highest_id <= XAPIC_MAX_ID) {
		printk("apic: the firmware asks for xAPIC (DMAR table); apic=x2apic overrules it\n");
		return false;
	}
	if (refused || wanted_mode != APIC_XAPIC)
		return present;
	if (highest_id > XAPIC_MAX_ID)
		printk("apic: xAPIC reaches ids up to %u, CPUs above are left out\n", XAPIC_MAX_ID);
	return false;
}

void apic_choose_mode(uint32_t highest_id)
{
	apic_x2 = want_x2apic(highest_id);
}

/* xAPIC to x2APIC is one step, back goes by way of disabled (SDM vol. 3 figure 11-27). */
void apic_enter_mode(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	if (!apic_x2 && base & APIC_BASE_X2APIC) {
		base &= ~(APIC_BASE_X2APIC | APIC_BASE_ENABLE);
		wrmsr(MSR_APIC_BASE, base);
	}
	if (!(base & APIC_BASE_ENABLE))
		wrmsr(MSR_APIC_BASE, base |= APIC_BASE_ENABLE);
	if (apic_x2 && !(base & APIC_BASE_X2APIC))
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
}

const char *arch_apic_mode(void)
{
	return apic_x2 ? "x2apic" : "xapic";
}

const char *arch_apic_mode_refused(void)
{
	return refused;
}

/*
 * The choice of the APICs' mode, and the way there, on CPUs that no emulator plays: every state in
 * which firmware may leave APIC_BASE, locked or not, and every word of apic=. A write to APIC_BASE
 * that a CPU would answer with #GP (SDM vol. 3 figure 11-27) is a failed check.
 */
#include <arch/x86_64/regs.h>
#include <lib/errno.h>
#include <stdint.h>

static uint64_t fake_rdmsr(uint32_t msr);
static void fake_wrmsr(uint32_t msr, uint64_t value);
static int fake_rdmsr_safe(uint32_t msr, uint64_t *value);
static struct cpuid fake_cpuid(uint32_t leaf, uint32_t subleaf);

#define rdmsr      fake_rdmsr
#define wrmsr      fake_wrmsr
#define rdmsr_safe fake_rdmsr_safe
#define cpuid      fake_cpuid
#include <arch/x86_64/apic_mode.c>
#undef rdmsr
#undef wrmsr
#undef rdmsr_safe
#undef cpuid

#include <stdlib.h>
#include <string.h>
#include <tests/host/tap.h>

#define MODE_BITS (APIC_BASE_ENABLE | APIC_BASE_X2APIC)
#define XAPIC     APIC_BASE_ENABLE
#define X2APIC    MODE_BITS
#define ADDRESS   0xfee00900ul /* with the flag of the boot CPU */

static struct {
	uint64_t base;
	bool has_x2apic, tells_lock, locked;
	unsigned int faults, writes;
} cpu;

static char said[512];
bool acpi_no_x2apic;

void printk(const char *format, ...)
{
	size_t length = strlen(said);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(said + length, sizeof(said) - length, format, arguments);
	va_end(arguments);
}

bool boot_word_choice(const struct boot_word *word, const char *value)
{
	(void)word;
	(void)value;
	abort();
}

static struct cpuid fake_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	return (struct cpuid){ .ecx = leaf == 1 && cpu.has_x2apic ? 1u << 21 : 0 };
}

static uint64_t fake_rdmsr(uint32_t msr)
{
	if (msr != MSR_APIC_BASE)
		cpu.faults++;
	return cpu.base;
}

/* Neither register is there on a CPU that does not tell of the lock. */
static int fake_rdmsr_safe(uint32_t msr, uint64_t *value)
{
	if (!cpu.tells_lock)
		return -EFAULT;
	if (msr == MSR_ARCH_CAPABILITIES)
		*value = 1ull << 21;
	else if (msr == MSR_XAPIC_DISABLE_STATUS)
		*value = cpu.locked;
	else
		return -EFAULT;
	return 0;
}

static bool may_become(uint64_t from, uint64_t to)
{
	if (from == to)
		return true;
	if (to == APIC_BASE_X2APIC || (to == X2APIC && !cpu.has_x2apic))
		return false;
	if (from == X2APIC)
		return !cpu.locked && to == 0;
	return from == XAPIC || to == XAPIC;
}

static void fake_wrmsr(uint32_t msr, uint64_t value)
{
	cpu.writes++;
	if (msr != MSR_APIC_BASE || (value ^ cpu.base) & ~(uint64_t)MODE_BITS ||
	    !may_become(cpu.base & MODE_BITS, value & MODE_BITS)) {
		cpu.faults++;
		return;
	}
	cpu.base = value;
}

/* As the boot CPU: chooses, then goes there. The mode it is in afterwards. */
static uint64_t boot(uint64_t mode, enum apic_word word, uint32_t highest_id)
{
	cpu.base = ADDRESS | mode;
	cpu.faults = cpu.writes = 0;
	wanted_mode = word;
	refused = NULL;
	said[0] = '\0';
	apic_choose_mode(highest_id);
	apic_enter_mode();
	return cpu.base & MODE_BITS;
}

static const uint64_t left_in[] = { 0, XAPIC, X2APIC };
static const char *const left_words[] = { "disabled", "in xAPIC mode", "in x2APIC mode" };

/* Where nothing is locked, what apic= names is had, from wherever the firmware left it. */
static void as_asked(void)
{
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t got_x, got_x2, got_auto;
		unsigned int faults;

		got_x = boot(left_in[i], APIC_XAPIC, 3);
		faults = cpu.faults;
		tap_ok(got_x == XAPIC && !faults && !refused, "left %s, xapic is had",
		       left_words[i]);
		got_x2 = boot(left_in[i], APIC_X2APIC, 3);
		tap_ok(got_x2 == X2APIC && !cpu.faults && !refused, "left %s, x2apic is had",
		       left_words[i]);
		got_auto = boot(left_in[i], APIC_AUTO, 3);
		tap_ok(got_auto == X2APIC && !cpu.faults && !refused, "left %s, auto is x2apic",
		       left_words[i]);
	}
}

static void without_x2apic(void)
{
	cpu.has_x2apic = false;
	for (unsigned int i = 0; i < 2; i++) {
		tap_ok(boot(left_in[i], APIC_AUTO, 3) == XAPIC && !cpu.faults && !refused,
		       "a CPU without x2APIC, left %s: auto is xapic", left_words[i]);
		tap_ok(boot(left_in[i], APIC_X2APIC, 3) == XAPIC && !cpu.faults,
		       "and apic=x2apic is survived");
		tap_ok(refused && strstr(said, "this CPU has no x2APIC"), "and said");
	}
	cpu.has_x2apic = true;
}

/* Firmware that locks x2APIC: SDM vol. 4, MSR BDh. A write that clears EXTD is a #GP. */
static void locked_on(void)
{
	cpu.tells_lock = cpu.locked = true;
	tap_ok(boot(X2APIC, APIC_AUTO, 3) == X2APIC && !cpu.writes,
	       "locked on: auto leaves it alone");
	tap_ok(!refused, "which refuses nothing");
	tap_ok(boot(X2APIC, APIC_X2APIC, 3) == X2APIC && !cpu.writes && !refused,
	       "locked on: so does apic=x2apic");
	tap_ok(boot(X2APIC, APIC_XAPIC, 3) == X2APIC && !cpu.writes, "locked on: and apic=xapic");
	tap_ok(!strcmp(arch_apic_mode(), "x2apic"), "which then is said to be x2apic");
	tap_ok(arch_apic_mode_refused() && strstr(said, "the firmware locked x2APIC on"),
	       "with the reason");
	acpi_no_x2apic = true;
	tap_ok(boot(X2APIC, APIC_AUTO, 3) == X2APIC && !cpu.writes,
	       "a lock counts for more than the DMAR table");
	acpi_no_x2apic = false;
	cpu.locked = false;
	tap_ok(boot(X2APIC, APIC_XAPIC, 3) == XAPIC && !cpu.faults && !refused,
	       "a CPU that tells that nothing is locked goes to xAPIC");
	cpu.tells_lock = false;
}

static void asked_by_the_firmware(void)
{
	acpi_no_x2apic = true;
	tap_ok(boot(XAPIC, APIC_AUTO, 254) == XAPIC && strstr(said, "DMAR"),
	       "the firmware asks for xAPIC, which is told");
	tap_ok(boot(XAPIC, APIC_AUTO, 255) == X2APIC && !cpu.faults,
	       "but not where ids are too large");
	tap_ok(boot(XAPIC, APIC_X2APIC, 3) == X2APIC && !cpu.faults, "nor against the boot word");
	tap_ok(boot(X2APIC, APIC_AUTO, 3) == X2APIC && !cpu.writes,
	       "nor where it left x2APIC on itself");
	acpi_no_x2apic = false;
	tap_ok(boot(XAPIC, APIC_XAPIC, 300) == XAPIC && strstr(said, "CPUs above are left out"),
	       "xapic with larger ids is told");
}

int main(void)
{
	cpu.has_x2apic = true;
	as_asked();
	without_x2apic();
	locked_on();
	asked_by_the_firmware();
	return tap_done();
}

/*
 * The MADT parser against damage in what it says about interrupts: I/O APICs, overrides, NMIs and
 * the address of the local APICs.
 */
#include "madt_case.h"

static void ioapics(void)
{
	begin(5);
	add_ioapic(0, 0xfec00000, 0);
	add_ioapic(1, 0xfec01000, 24);
	tap_ok(!parse() && madt.nr_ioapics == 2 && madt.ioapics[1].id == 1 &&
		       madt.ioapics[1].address == 0xfec01000 && madt.ioapics[1].gsi_base == 24 &&
		       silent(),
	       "two I/O APICs");
	add_ioapic(1, 0xfec02000, 48);
	tap_ok(!parse() && madt.nr_ioapics == 2 && only("MADT+0x44: I/O APIC with an earlier"),
	       "two I/O APICs with one id");

	begin(5);
	add_ioapic(0, 0xfec00000, 0);
	add_ioapic(1, 0xfec00000, 24);
	add_ioapic(2, 0xfec02000, 0);
	add_ioapic(3, 0, 48);
	tap_ok(!parse() && madt.nr_ioapics == 1 && nr_lines == 3 &&
		       said("MADT+0x38: I/O APIC with an earlier") == 1 &&
		       said("MADT+0x44: I/O APIC with an earlier") == 1 &&
		       said("MADT+0x50: I/O APIC at address 0") == 1,
	       "I/O APICs at one address, with the same interrupts, and at address 0");

	begin(5);
	for (unsigned int i = 0; i <= MADT_MAX_IOAPICS; i++)
		add_ioapic(i, 0xfec00000 + i * 4096, i * 24);
	tap_ok(!parse() && madt.nr_ioapics == MADT_MAX_IOAPICS && only("no room for one more"),
	       "one I/O APIC more than there is room for");
}

static void overrides(void)
{
	begin(5);
	tap_ok(!parse() && madt.isa[9].gsi == 9 && !madt.isa[9].flags && !madt.isa[9].overridden,
	       "without overrides an ISA interrupt is its own GSI");
	add_override(0, 0, 2, 0);
	add_override(0, 9, 20, MADT_POLARITY_LOW | MADT_TRIGGER_LEVEL | 0x8000);
	tap_ok(!parse() && madt.isa[0].gsi == 2 && madt.isa[0].overridden &&
		       madt.isa[9].gsi == 20 &&
		       madt.isa[9].flags == (MADT_POLARITY_LOW | MADT_TRIGGER_LEVEL) && silent(),
	       "two overrides");

	begin(5);
	add_override(1, 9, 20, 0);
	add_override(0, 16, 20, 0);
	add_override(0, 255, 20, 0);
	tap_ok(!parse() && !madt.isa[9].overridden && nr_lines == 3 &&
		       said("MADT+0x2c: override for a bus other than ISA") == 1 &&
		       said("MADT+0x36: override for an interrupt that ISA has not") == 1 &&
		       said("MADT+0x40: override for an interrupt that ISA has not") == 1,
	       "overrides for another bus and for interrupts that are not ISA's");

	begin(5);
	add_override(0, 9, 20, 0);
	add_override(0, 9, 21, 0);
	tap_ok(!parse() && madt.isa[9].gsi == 20 && only("MADT+0x36: second override"),
	       "of two overrides for one interrupt the first is kept");

	for (unsigned int shift = 0; shift <= 2; shift += 2) {
		begin(5);
		add_override(0, 9, 20, 2u << shift);
		tap_ok(!parse() && madt.isa[9].gsi == 20 && !madt.isa[9].flags &&
			       only("MADT+0x2c: interrupt flags with a reserved value"),
		       "a reserved %s is taken as 0", shift ? "trigger" : "polarity");
	}
}

static void nmis(void)
{
	begin(5);
	add_lapic_nmi(MADT_EVERY_UID_8, 5, 1);
	add_lapic_nmi(7, 0, 0);
	add_lapic_nmi(99, 0, 0);
	add_lapic(6, 1, MADT_CPU_ENABLED);
	add_lapic(7, 2, MADT_CPU_ENABLED);
	tap_ok(!parse() && cpus[0].nmi_lints == 2 && cpus[0].nmi_flags[1] == 5 &&
		       cpus[1].nmi_lints == 3 && cpus[1].nmi_flags[0] == 0 && silent(),
	       "NMIs for all CPUs and for one, ahead of the CPUs that they name");

	begin(5);
	add_x2apic(0x107, 300, MADT_CPU_ENABLED);
	add_x2apic(7, 301, MADT_CPU_ENABLED);
	add_x2apic_nmi(0x107, 0xd, 0);
	tap_ok(!parse() && cpus[0].nmi_lints == 1 && cpus[0].nmi_flags[0] == 0xd &&
		       !cpus[1].nmi_lints && silent(),
	       "an x2APIC NMI's UID is compared in all 32 bits");
	add_x2apic_nmi(MADT_EVERY_UID, 0, 1);
	tap_ok(!parse() && cpus[0].nmi_lints == 3 && cpus[1].nmi_lints == 2 && silent(),
	       "an x2APIC NMI for all");

	begin(5);
	add_lapic(0, 1, MADT_CPU_ENABLED);
	add_lapic_nmi(MADT_EVERY_UID_8, 0, 2);
	add_x2apic_nmi(0, 0, 255);
	tap_ok(!parse() && !cpus[0].nmi_lints && nr_lines == 2 &&
		       said("MADT+0x34: NMI on a pin") == 1 && said("MADT+0x3a: NMI on a pin") == 1,
	       "NMIs on pins that there are not");

	begin(5);
	add_lapic(0, 1, MADT_CPU_ENABLED);
	add_lapic_nmi(MADT_EVERY_UID_8, MADT_TRIGGER_RESERVED, 1);
	tap_ok(!parse() && cpus[0].nmi_lints == 2 && !cpus[0].nmi_flags[1] &&
		       only("MADT+0x34: interrupt flags with a reserved value"),
	       "an NMI with a reserved trigger is taken as edge");
}

static void addresses(void)
{
	static const uint64_t bad[] = { 0, 0xfee00800, 1ull << 52 };

	begin(5);
	add_address(0x1fee00000);
	tap_ok(!parse() && madt.lapic_phys == 0x1fee00000 && silent(), "a 64-bit APIC address");
	add_address(0xfee01000);
	tap_ok(!parse() && madt.lapic_phys == 0x1fee00000 &&
		       only("MADT+0x38: second local APIC address, ignored (0xfee01000)"),
	       "of two APIC addresses the first is kept");

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		begin(5);
		add_address(bad[i]);
		add_address(0xfee02000);
		tap_ok(!parse() && madt.lapic_phys == 0xfee02000 &&
			       only("MADT+0x2c: local APIC address that cannot be"),
		       "APIC address 0x%lx is ignored, and a good one after it taken", bad[i]);
	}

	for (uint32_t address = 0; address <= 1; address++) {
		begin(5);
		((struct madt_table *)table)->lapic_phys = address;
		tap_ok(!parse() && !madt.lapic_phys && only("no usable local APIC address"),
		       "APIC address %u in the header and no other", address);
	}
}

int main(void)
{
	ioapics();
	overrides();
	nmis();
	addresses();
	return tap_done();
}

/*
 * How the local APICs and the 8259s are left by the boot, and what that keeps away.
 */
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/machine.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <arch/x86_64/acpi.h>
#include <arch/x86_64/apic.h>
#include <arch/x86_64/io.h>
#include <arch/x86_64/regs.h>
#include <kernel/sched/preempt.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>

#define PIC_MASTER_DATA 0x21
#define PIC_SLAVE_DATA  0xa1

/* The local vectors that nobody uses, and how many an APIC must have for each to be there. */
static const struct {
	unsigned int offset, count;
} unused_lvts[] = {
	{ APIC_LVT_LINT0, 0 },   { APIC_LVT_LINT1, 0 }, { APIC_LVT_PERF, 5 },
	{ APIC_LVT_THERMAL, 6 }, { APIC_LVT_CMCI, 7 },
};
#define UNUSED_LVTS (sizeof(unused_lvts) / sizeof(unused_lvts[0]))

struct apic_state {
	uint32_t id, esr, svr, tpr, lvt_error;
	unsigned int open; /* the offset of an unused local vector that is not masked */
	uint64_t base;
};

static unsigned int find_open_lvt(void)
{
	unsigned int count = (apic_read(APIC_VERSION) >> 16 & 0xff) + 1;

	for (unsigned int i = 0; i < UNUSED_LVTS; i++) {
		if (count >= unused_lvts[i].count &&
		    !(apic_read(unused_lvts[i].offset) & LVT_MASKED))
			return unused_lvts[i].offset;
	}
	return 0;
}

static void look_at_apic(void *info)
{
	struct apic_state *state = info;

	state->id = apic_id();
	state->esr = apic_read_esr();
	state->svr = apic_read(APIC_SVR);
	state->tpr = apic_read(APIC_TPR);
	state->lvt_error = apic_read(APIC_LVT_ERROR);
	state->open = find_open_lvt();
	state->base = rdmsr(MSR_APIC_BASE);
}

TEST(apic, every_cpu_is_in_the_same_state)
{
	for_each_cpu(cpu, &cpu_online_mask) {
		struct apic_state state = { 0 };

		EXPECT_EQ(smp_call_function_single(cpu, look_at_apic, &state, true), 0);
		EXPECT_EQ(state.esr, 0);
		EXPECT_EQ(state.svr & 0x1ff, 0x1ff);
		EXPECT_EQ(state.tpr, 0);
		EXPECT_EQ(state.lvt_error & (LVT_MASKED | 0xff), ERROR_VECTOR);
		EXPECT_EQ(state.open, 0);
		EXPECT_EQ(!!(state.base & APIC_BASE_X2APIC), apic_x2);
		EXPECT(state.base & APIC_BASE_ENABLE);
	}
}

TEST(apic, ids_are_the_listed_ones)
{
	for_each_cpu(cpu, &cpu_online_mask) {
		struct apic_state state = { 0 };
		struct cpu_place place;

		arch_cpu_place(cpu, &place);
		smp_call_function_single(cpu, look_at_apic, &state, true);
		EXPECT_EQ(state.id, place.apic_id);
	}
}

static bool is_online(uint32_t apic_id)
{
	for_each_cpu(cpu, &cpu_online_mask) {
		if (cpus[cpu]->arch.apic_id == apic_id)
			return true;
	}
	return false;
}

/*
 * A shorthand would hit those that are not online, too. The table is read anew: the kernel's own
 * list leaves some out. Where it is damaged, nobody knows whom it would have named.
 */
TEST(apic, shorthands_only_if_all_are_online)
{
	static struct madt_cpu listed[MAX_CPUS];
	static struct madt madt = { .cpus = listed, .cpu_capacity = MAX_CPUS };
	bool all = !acpi_read_madt(&madt) && !madt.nr_findings && !madt.nr_no_room;

	for (unsigned int i = 0; i < madt.nr_cpus; i++)
		all &= !listed[i].enabled || is_online(listed[i].apic_id);
	EXPECT_EQ(arch_has_shorthand(), all);
}

TEST(apic, the_8259s_are_masked)
{
	EXPECT_EQ(inb(PIC_MASTER_DATA), 0xff);
	EXPECT_EQ(inb(PIC_SLAVE_DATA), 0xff);
}

static uint32_t in_service_after;
static atomic_bool raised;

/* Raised by software, as a masked 8259 would, while EXAMPLE is not acknowledged. */
static bool raise_spurious(unsigned int vector)
{
	uint32_t pending;

	(void)vector;
	preempt_disable();
	asm volatile("int $0xff; int $0x27; int $0x2f");
	preempt_enable_no_resched();
	arch_ipi_state(&pending, &in_service_after);
	atomic_store(&raised, true);
	return true;
}

/* They came by no local APIC: an EOI would be EXAMPLE's. */
TEST(apic, spurious_interrupts_get_no_eoi)
{
	in_service_after = 0;
	atomic_store(&raised, false);
	REQUIRE(!ipi_set_filter(EXAMPLE_VECTOR, raise_spurious));
	irq_disable();
	arch_send_ipi_self(EXAMPLE_VECTOR);
	irq_enable();
	EXPECT(WAIT_UNTIL(atomic_load(&raised)));
	ipi_set_filter(EXAMPLE_VECTOR, NULL);
	EXPECT_EQ(in_service_after, ipi_bit(EXAMPLE_VECTOR));
	EXPECT_EQ(apic_read_esr(), 0);
}

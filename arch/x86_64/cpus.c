/*
 * From the MADT to a list of CPUs with small, dense indices.
 */
#include "cpus.h"
#include "acpi.h"
#include "apic.h"
#include "broadcast.h"
#include "cpu_features.h"
#include "pic.h"
#include "regs.h"
#include <arch/init.h>
#include <arch/machine.h>
#include <boot/trampoline.h>
#include <kernel/bootword.h>
#include <kernel/console/printk.h>
#include <kernel/smp/cpu.h>

#define DEFAULT_LAPIC     0xfee00000
#define APIC_BASE_ADDRESS 0x000ffffffffff000ull

struct listed_cpu listed_cpus[MAX_CPUS];
bool cpus_left_out;

static struct madt_cpu found[MAX_CPUS];
static struct madt madt = { .cpus = found, .cpu_capacity = MAX_CPUS };
static uint64_t max_cpus = MAX_CPUS;
BOOT_WORD_NUMBER(cpus, 1, MAX_CPUS, max_cpus, "use at most so many CPUs");

static const char *const stage_names[] = {
	[AP_STAGE_SILENT] = "no sign of life",
	[AP_STAGE_REAL] = "real mode",
	[AP_STAGE_LONG] = "long mode",
	[AP_STAGE_C] = "C",
	[AP_STAGE_APIC] = "APIC",
	[AP_STAGE_ONLINE] = "online",
};

static const char *const state_names[] = {
	[CPU_LISTED] = "not started", [CPU_STARTING] = "starting", [CPU_ONLINE] = "online",
	[CPU_FAILED] = "failed",      [CPU_LATE] = "late, parked",
};

static void add(uint32_t apic_id, uint32_t uid)
{
	listed_cpus[nr_cpus++] = (struct listed_cpu){ .apic_id = apic_id, .uid = uid };
}

/* The boot CPU is on the list whatever the MADT says: it is running this. */
static void add_boot_cpu(uint32_t id)
{
	uint32_t uid = 0;
	bool listed = false;

	for (unsigned int i = 0; i < madt.nr_cpus; i++) {
		if (found[i].apic_id != id)
			continue;
		listed = true;
		uid = found[i].uid;
	}
	if (!listed && madt.nr_cpus)
		printk("acpi: the MADT does not list the CPU that booted (APIC id %u)\n", id);
	add(id, uid);
}

/* A sparse table is small enough for the simplest sort. */
static void sort_cpus(struct madt_cpu *cpu, unsigned int count, uint32_t boot_id)
{
	for (unsigned int i = 1; i < count; i++) {
		struct madt_cpu moving = cpu[i];
		uint64_t order = cpu_order(moving.apic_id, boot_id);
		unsigned int j = i;

		for (; j && cpu_order(cpu[j - 1].apic_id, boot_id) > order; j--)
			cpu[j] = cpu[j - 1];
		cpu[j] = moving;
	}
}

static void add_others(uint32_t boot_id)
{
	unsigned int too_high = 0;

	sort_cpus(found, madt.nr_cpus, boot_id);
	for (unsigned int i = 0; i < madt.nr_cpus; i++) {
		if (found[i].apic_id == boot_id || !found[i].enabled)
			continue;
		if (found[i].apic_id > XAPIC_MAX_ID && !apic_x2) {
			too_high++;
			continue;
		}
		if (nr_cpus < max_cpus)
			add(found[i].apic_id, found[i].uid);
		else
			cpus_left_out = true;
	}
	if (too_high)
		printk("acpi: %u CPUs with APIC ids over %u cannot be reached in xAPIC mode\n",
		       too_high, XAPIC_MAX_ID);
	cpus_left_out |= too_high || madt.nr_no_room;
}

static uint32_t highest_id(void)
{
	uint32_t highest = 0;

	for (unsigned int i = 0; i < madt.nr_cpus; i++) {
		if (found[i].enabled && found[i].apic_id > highest)
			highest = found[i].apic_id;
	}
	return highest;
}

static uint64_t lapic_address(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDRESS;

	if (madt.lapic_phys && base && madt.lapic_phys != base)
		printk("acpi: the MADT puts the local APIC at %#lx, the CPU at %#lx: the CPU's "
		       "is used\n",
		       madt.lapic_phys, base);
	return base ? base : madt.lapic_phys ? madt.lapic_phys : DEFAULT_LAPIC;
}

void arch_find_cpus(void)
{
	bool no_madt;
	uint32_t boot_id;

	acpi_init();
	no_madt = acpi_read_madt(&madt);
	if (no_madt)
		printk("acpi: no MADT, so only the boot CPU can be used\n");
	/* What is damaged may have named CPUs, which are where the firmware left them. */
	cpus_left_out = no_madt || madt.nr_findings;
	apic_init(lapic_address(), highest_id());
	broadcast_init(&madt);
	boot_id = apic_id_from_firmware();
	add_boot_cpu(boot_id);
	add_others(boot_id);
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		apic_set_id(cpu, listed_cpus[cpu].apic_id);
}

void arch_apic_init(void)
{
	pic_disable();
	apic_report_errors();
	apic_cpu_init();
	if (apic_id() != listed_cpus[0].apic_id) {
		printk("apic: the boot CPU's APIC says id %u, CPUID says %u; the APIC's is used\n",
		       apic_id(), listed_cpus[0].apic_id);
		listed_cpus[0].apic_id = apic_id();
		apic_set_id(0, apic_id());
	}
	this_cpu->arch.apic_id = listed_cpus[0].apic_id;
	cpu_identify(this_cpu->self);
	atomic_store_explicit(&listed_cpus[0].state, CPU_ONLINE, memory_order_relaxed);
	listed_cpus[0].stage = AP_STAGE_ONLINE;
}

unsigned int arch_cpu_distance(unsigned int a, unsigned int b)
{
	const struct arch_cpu *one = &cpus[a]->arch, *other = &cpus[b]->arch;

	if (a == b)
		return 0;
	if (one->package != other->package)
		return 3;
	return one->core == other->core ? 1 : 2;
}

bool arch_cpu_place(unsigned int cpu, struct cpu_place *place)
{
	const struct listed_cpu *listed = &listed_cpus[cpu % MAX_CPUS];

	if (cpu >= nr_cpus)
		return false;
	*place = (struct cpu_place){
		.apic_id = listed->apic_id,
		.acpi_uid = listed->uid,
		.state = state_names[atomic_load_explicit(&listed->state, memory_order_relaxed)],
		.stage = stage_names[listed->stage],
		.error = listed->error,
	};
	if (!cpus[cpu])
		return true;
	place->package = cpus[cpu]->arch.package;
	place->core = cpus[cpu]->arch.core;
	place->thread = cpus[cpu]->arch.thread;
	return true;
}

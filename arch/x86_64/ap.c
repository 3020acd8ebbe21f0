/*
 * Starting the application processors, all at once (SDM vol. 3 §9.4.4).
 *
 *   boot CPU                              each AP
 *   INIT to all                           stops, waits for a SIPI; parks if it got so far
 *   10 ms
 *   SIPI to all                           real mode → long mode → C → APIC → online,
 *   SIPI again to those still silent      leaving its stage in its record
 *   waits while anyone makes progress
 *   the whole again for the silent ones   (a SIPI is lost while an AP is in SMM)
 *   gives up who did not come             parks if it comes after that
 */
#include "apic.h"
#include "cpu_features.h"
#include "cpus.h"
#include "paging.h"
#include "regs.h"
#include "tables_load.h"
#include <arch/init.h>
#include <arch/irq.h>
#include <arch/mm.h>
#include <arch/mmu.h>
#include <arch/time.h>
#include <boot/entry.h>
#include <boot/trampoline.h>
#include <kernel/console/printk.h>
#include <kernel/main.h>
#include <kernel/mm/frames.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/fault.h>
#include <lib/string.h>

#define LOW_MEMORY   (1ull << 20)
#define INIT_WAIT_US 10000
#define SIPI_WAIT_US 200
#define ROUNDS       2
/* No AP moved for so long: the rest will not come. A virtual machine may have few real cores. */
#define QUIET_NS_HARDWARE 300000000ull
#define QUIET_NS_VIRTUAL  2000000000ull

uint64_t trampoline;
static struct ap_record *records; /* in the trampoline's pages; [0] is CPU 1's */
static uint64_t stack_tops[MAX_CPUS];

static void ap_entry(unsigned int index);

static uint64_t trampoline_pages(void)
{
	uint64_t size = TRAMPOLINE_RECORDS + nr_cpus * sizeof(struct ap_record);

	return (size + PAGE_SIZE - 1) / PAGE_SIZE;
}

/* Turns offsets into addresses and fills in what only this boot knows. */
static bool fill_arguments(void)
{
	size_t offset = (size_t)(trampoline_args - trampoline_start);
	struct trampoline_args *args = phys_to_virt(trampoline + offset);
	uint64_t cr3 = paging_identity_table(trampoline, trampoline_pages() * PAGE_SIZE);

	args->gdt_base += (uint32_t)trampoline;
	args->jump32 += (uint32_t)trampoline;
	args->jump64 += (uint32_t)trampoline;
	args->cr3 = (uint32_t)cr3;
	args->efer = EFER_LME | (uint32_t)(rdmsr(MSR_EFER) & EFER_NXE);
	args->records = nr_cpus - 1;
	args->stacks = (uint64_t)stack_tops;
	args->kernel_cr3 = mmu_kernel_root();
	args->entry = (uint64_t)ap_entry;
	return cr3 != 0;
}

static bool place_trampoline(void)
{
	trampoline = frames_alloc(trampoline_pages(), LOW_MEMORY);
	if (!trampoline) {
		printk("smp: no free memory below 1 MB, the other CPUs cannot be started\n");
		return false;
	}
	memcpy(phys_to_virt(trampoline), trampoline_start,
	       (size_t)(trampoline_end - trampoline_start));
	records = phys_to_virt(trampoline + TRAMPOLINE_RECORDS);
	for (unsigned int cpu = 1; cpu < nr_cpus; cpu++)
		records[cpu - 1] = (struct ap_record){ .apic_id = listed_cpus[cpu].apic_id,
						       .index = (uint16_t)cpu };
	return fill_arguments();
}

static enum cpu_state state_of(unsigned int cpu)
{
	return atomic_load_explicit(&listed_cpus[cpu].state, memory_order_acquire);
}

static void set_state(unsigned int cpu, enum cpu_state state)
{
	atomic_store_explicit(&listed_cpus[cpu].state, state, memory_order_relaxed);
}

/* Its data and stacks; a CPU without them is not started. */
static void prepare(unsigned int index)
{
	struct cpu *cpu = cpu_create(index);
	void *stack = cpu ? arch_alloc_stack(KERNEL_STACK_SIZE) : NULL;

	if (!stack || tables_alloc_stacks(cpu)) {
		printk("smp: no memory for CPU %u, it stays off\n", index);
		set_state(index, CPU_FAILED);
		return;
	}
	cpu->arch.apic_id = listed_cpus[index].apic_id;
	cpu->arch.tables.stack_top = (uint64_t)stack;
	stack_tops[index] = (uint64_t)stack;
}

static bool is_silent(unsigned int cpu)
{
	return records[cpu - 1].stage == AP_STAGE_SILENT;
}

static void send(unsigned int cpu, bool init)
{
	unsigned long flags = irq_save();

	if (init)
		apic_send_init(listed_cpus[cpu].apic_id);
	else
		apic_send_startup(listed_cpus[cpu].apic_id, (unsigned int)(trampoline / PAGE_SIZE));
	listed_cpus[cpu].error |= apic_read_esr();
	irq_restore(flags);
}

/*
 * One that wakes up just now is stopped again by the INIT, wherever it is: so it must not be
 * online before that, and is told to start like those that are silent.
 */
static bool take_back(unsigned int cpu)
{
	uint32_t starting = CPU_STARTING;

	if (state_of(cpu) == CPU_LISTED)
		return true;
	return is_silent(cpu) &&
	       atomic_compare_exchange_strong_explicit(&listed_cpus[cpu].state, &starting,
						       CPU_LISTED, memory_order_relaxed,
						       memory_order_relaxed);
}

static void send_init_to_silent(struct cpumask *told)
{
	for (unsigned int cpu = 1; cpu < nr_cpus; cpu++) {
		if (!take_back(cpu))
			continue;
		cpumask_set(told, cpu);
		send(cpu, true);
	}
}

static void start(const struct cpumask *told)
{
	for_each_cpu(cpu, told) {
		records[cpu - 1].stage = AP_STAGE_SILENT;
		set_state(cpu, CPU_STARTING);
		send(cpu, false);
	}
}

static void start_silent(const struct cpumask *told)
{
	for_each_cpu(cpu, told) {
		if (is_silent(cpu))
			send(cpu, false);
	}
}

struct tally {
	unsigned int online, failed, steps; /* steps: all stages reached, summed */
};

static struct tally count(void)
{
	struct tally tally = { .online = 1 };

	for (unsigned int cpu = 1; cpu < nr_cpus; cpu++) {
		enum cpu_state state = state_of(cpu);

		tally.online += cpumask_test(&cpu_online_mask, cpu);
		tally.failed += state == CPU_FAILED || state == CPU_LATE;
		tally.steps += records[cpu - 1].stage;
	}
	return tally;
}

/* Returns once all are online or failed, or nobody moved for the quiet time. */
static void wait_while_moving(void (*progress)(unsigned int, unsigned int, unsigned int))
{
	uint64_t quiet = ns_to_cycles(cpu_is_virtual() ? QUIET_NS_VIRTUAL : QUIET_NS_HARDWARE);
	uint64_t since = cycles();
	struct tally last = { 0 };

	while (cycles() - since < quiet) {
		struct tally now = count();

		if (now.online != last.online)
			progress(now.online, now.failed, nr_cpus);
		if (now.online + now.failed == nr_cpus)
			return;
		if (now.steps != last.steps)
			since = cycles();
		last = now;
		cpu_relax();
	}
}

static void try_to_start(void (*progress)(unsigned int, unsigned int, unsigned int))
{
	struct cpumask told = { 0 };

	send_init_to_silent(&told);
	udelay(INIT_WAIT_US);
	start(&told);
	udelay(SIPI_WAIT_US);
	start_silent(&told);
	wait_while_moving(progress);
}

/* Whoever is still on its way has lost the race for its own state. */
static void give_up(unsigned int cpu)
{
	uint32_t starting = CPU_STARTING;

	if (atomic_compare_exchange_strong_explicit(&listed_cpus[cpu].state, &starting, CPU_FAILED,
						    memory_order_relaxed, memory_order_relaxed))
		listed_cpus[cpu].stage = records[cpu - 1].stage;
}

/* Only then may nobody ever look at it again. The tables are few; they stay. */
static void free_trampoline(void)
{
	for (uint64_t page = 0; page < trampoline_pages(); page++)
		frame_free(trampoline + page * PAGE_SIZE);
}

void arch_start_cpus(void (*progress)(unsigned int, unsigned int, unsigned int))
{
	struct tally tally;

	progress(1, 0, nr_cpus);
	if (nr_cpus > 1 && !place_trampoline())
		return;
	for (unsigned int cpu = 1; cpu < nr_cpus; cpu++)
		prepare(cpu);
	for (int round = 0; round < ROUNDS && count().online + count().failed < nr_cpus; round++)
		try_to_start(progress);
	for (unsigned int cpu = 1; cpu < nr_cpus; cpu++)
		give_up(cpu);
	/* One that won the race against give_up is a few instructions from online. */
	wait_while_moving(progress);
	tally = count();
	if (tally.failed)
		progress(tally.online, tally.failed, nr_cpus);
	apic_allow_shorthands(tally.online == nr_cpus && !cpus_left_out);
	if (nr_cpus > 1 && tally.online == nr_cpus)
		free_trampoline();
}

/* The first C of an AP, on its own stack and the final page tables. */
static void ap_entry(unsigned int index)
{
	struct ap_record *record = &records[index - 1];
	struct cpu *cpu = cpus[index];
	uint32_t expected = CPU_STARTING;

	record->stage = AP_STAGE_C;
	paging_cpu_init();
	cpu_features_init();
	tables_load(cpu);
	idt_load();
	apic_cpu_init();
	cpu_identify(cpu);
	record->stage = AP_STAGE_APIC;
	fault_ap_start(index);
	if (!atomic_compare_exchange_strong_explicit(&listed_cpus[index].state, &expected,
						     CPU_ONLINE, memory_order_release,
						     memory_order_relaxed)) {
		set_state(index, CPU_LATE);
		cpu_park();
	}
	listed_cpus[index].stage = AP_STAGE_ONLINE;
	/* Before it is online: after that the boot CPU may free the record's page. */
	record->stage = AP_STAGE_ONLINE;
	cpu_set_online(index, true);
	kernel_ap_main();
}

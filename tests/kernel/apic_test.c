/*
 * The local APICs: every way to send, and that each IPI arrives exactly where it should.
 */
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/machine.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <arch/x86_64/apic.h>
#include <arch/x86_64/cpus.h>
#include <arch/x86_64/regs.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/reschedule.h>
#include <lib/errno.h>

static uint64_t taken_before[MAX_CPUS];

static uint64_t taken(unsigned int cpu)
{
	return *(volatile uint64_t *)&cpus[cpu]->irq_count[TLB_FLUSH_VECTOR];
}

static void remember_counts(void)
{
	for_each_cpu(cpu, &cpu_online_mask)
		taken_before[cpu] = taken(cpu);
}

/* Exactly those in mask took exactly one; the others may not take one later either. */
static void expect_hit(const struct cpumask *mask, const char *how)
{
	for_each_cpu(cpu, mask) {
		if (!WAIT_UNTIL(taken(cpu) > taken_before[cpu]))
			test_fail(__FILE__, __LINE__, "%s: CPU %u was not interrupted", how, cpu);
	}
	for_each_cpu(cpu, &cpu_online_mask) {
		uint64_t wanted = taken_before[cpu] + cpumask_test(mask, cpu);

		if (taken(cpu) != wanted)
			test_fail(__FILE__, __LINE__, "%s: CPU %u took %ld instead of %ld", how,
				  cpu, taken(cpu) - taken_before[cpu], wanted - taken_before[cpu]);
	}
}

static struct cpumask only(unsigned int cpu)
{
	struct cpumask mask = { 0 };

	cpumask_set(&mask, cpu);
	return mask;
}

TEST(apic, send_to_each)
{
	for_each_cpu(cpu, &cpu_online_mask) {
		struct cpumask mask = only(cpu);

		remember_counts();
		irq_disable();
		arch_send_ipi(cpu, TLB_FLUSH_VECTOR);
		irq_enable();
		expect_hit(&mask, "send to one");
	}
}

TEST(apic, send_to_self)
{
	struct cpumask mask = only(this_cpu->index);

	remember_counts();
	irq_disable();
	arch_send_ipi_self(TLB_FLUSH_VECTOR);
	irq_enable();
	expect_hit(&mask, "send to self");
}

TEST(apic, send_to_all)
{
	remember_counts();
	irq_disable();
	arch_send_ipi_all(TLB_FLUSH_VECTOR);
	irq_enable();
	expect_hit(&cpu_online_mask, "send to all");
}

TEST(apic, send_to_all_but_self)
{
	struct cpumask mask = cpu_online_mask;

	cpumask_clear(&mask, this_cpu->index);
	remember_counts();
	irq_disable();
	arch_send_ipi_allbutself(TLB_FLUSH_VECTOR);
	irq_enable();
	expect_hit(&mask, "send to all but self");
}

TEST(apic, send_to_mask)
{
	for (int round = 0; round < 50; round++) {
		struct cpumask mask = { 0 };
		unsigned int writes;

		for_each_cpu(cpu, &cpu_online_mask) {
			if (test_random_below(2))
				cpumask_set(&mask, cpu);
		}
		remember_counts();
		irq_disable();
		writes = arch_send_ipi_mask(&mask, TLB_FLUSH_VECTOR);
		irq_enable();
		expect_hit(&mask, "send to mask");
		EXPECT(writes <= cpumask_weight(&mask));
	}
}

/* Fixed by the id in x2APIC mode (SDM vol. 3 §11.12.10.2), written by the kernel in flat mode. */
static void compare_logical_id(void *same)
{
	uint32_t id = cpus[this_cpu->index]->arch.apic_id;
	uint32_t wanted = apic_x2 ? (id >> 4) << 16 | 1u << (id & 15) :
				    1u << (24 + this_cpu->index % 8);

	if (apic_read(APIC_LDR) != wanted)
		atomic_store((atomic_bool *)same, false);
}

/* Bochs has none of it in x2APIC mode until APIC_BASE is written once more. */
static bool has_logical_ids(void)
{
	atomic_bool same = true;

	on_each_cpu(compare_logical_id, &same, true);
	return atomic_load(&same) && (apic_x2 || nr_cpus <= 8);
}

/* Logical ids allow one write for a cluster of 16, or for all of at most 8 in flat mode. */
TEST(apic, multicast_saves_writes)
{
	struct cpumask clusters = { 0 };
	unsigned int writes, wanted;

	for_each_cpu(cpu, &cpu_online_mask)
		cpumask_set(&clusters, cpus[cpu]->arch.apic_id / APIC_CLUSTER_IDS % MAX_CPUS);
	irq_disable();
	writes = arch_send_ipi_mask(&cpu_online_mask, RESCHEDULE_VECTOR);
	irq_enable();
	wanted = !has_logical_ids() ? cpumask_weight(&cpu_online_mask) :
		 apic_x2            ? cpumask_weight(&clusters) :
				      1;
	EXPECT_EQ(writes, wanted);
}

#define IDS     40
#define ID_SPAN 100

/* As the list of CPUs is made, with the one that boots in front. */
static void number_cpus(uint32_t *ids, unsigned int count)
{
	for (unsigned int i = 2; i < count; i++) {
		uint32_t id = ids[i];
		unsigned int j = i;

		for (; j > 1 && cpu_order(ids[j - 1], ids[0]) > cpu_order(id, ids[0]); j--)
			ids[j] = ids[j - 1];
		ids[j] = id;
	}
}

/* Whichever CPU boots: each cluster is one row of neighbours, so that it takes one write. */
TEST(apic, no_cluster_lies_apart)
{
	for (unsigned int round = 0; round < 50; round++) {
		struct cpumask clusters = { 0 };
		unsigned int rows = 1;
		uint32_t ids[IDS];

		for (unsigned int i = 0; i < IDS; i++) {
			ids[i] = (uint32_t)test_random_below(ID_SPAN);
			cpumask_set(&clusters, ids[i] / APIC_CLUSTER_IDS);
		}
		number_cpus(ids, IDS);
		for (unsigned int i = 1; i < IDS; i++)
			rows += ids[i] / APIC_CLUSTER_IDS != ids[i - 1] / APIC_CLUSTER_IDS;
		EXPECT_EQ(rows, cpumask_weight(&clusters));
	}
}

/* Two that wait at once are merged into one: one IRR bit for each vector. */
TEST(apic, equal_vectors_merge)
{
	struct cpumask mask = only(this_cpu->index);

	remember_counts();
	irq_disable();
	arch_send_ipi_self(TLB_FLUSH_VECTOR);
	EXPECT(WAIT_UNTIL(arch_ipi_pending(TLB_FLUSH_VECTOR)));
	arch_send_ipi_self(TLB_FLUSH_VECTOR);
	arch_send_ipi_self(TLB_FLUSH_VECTOR);
	EXPECT(arch_ipi_pending(TLB_FLUSH_VECTOR));
	irq_enable();
	expect_hit(&mask, "three to self with interrupts off");
	EXPECT(!arch_ipi_pending(TLB_FLUSH_VECTOR));
}

/* Those with nothing behind them that would be owed an answer. */
static const enum ipi_vector plain[] = { EXAMPLE_VECTOR, RESCHEDULE_VECTOR, TLB_FLUSH_VECTOR };
#define PLAIN (sizeof(plain) / sizeof(plain[0]))

/* Without an EOI the second of a class would never come. */
TEST(apic, eoi_lets_the_next_in)
{
	unsigned int cpu = cpumask_next(&cpu_online_mask, 1);

	if (cpu == MAX_CPUS)
		cpu = 0;
	for (unsigned int i = 0; i < 100; i++) {
		enum ipi_vector vector = plain[i % PLAIN];
		uint64_t before = cpus[cpu]->irq_count[vector];

		irq_disable();
		arch_send_ipi(cpu, vector);
		irq_enable();
		REQUIRE(WAIT_UNTIL(*(volatile uint64_t *)&cpus[cpu]->irq_count[vector] > before));
	}
}

static volatile unsigned int inner_hits;

static void count_inner(void)
{
	inner_hits++;
}

/* Runs as a call, so inside CALL_FUNCTION_SINGLE, which was acknowledged before. */
static void nest(void *info)
{
	uint64_t *counted = info;

	for (unsigned int i = 0; i < PLAIN; i++) {
		volatile uint64_t *count = &this_cpu->self->irq_count[plain[i]];
		uint64_t before = *count;

		irq_disable();
		arch_send_ipi_self(plain[i]);
		irq_enable();
		WAIT_UNTIL(*count > before);
		irq_disable();
		counted[i] = *count - before;
	}
}

TEST(apic, nests_inside_another_handler)
{
	unsigned int cpu = cpumask_next(&cpu_online_mask, 1);
	uint64_t counted[PLAIN] = { 0 };

	if (cpu == MAX_CPUS)
		cpu = 0;
	inner_hits = 0;
	REQUIRE(!irq_register(EXAMPLE_VECTOR, count_inner));
	EXPECT_EQ(smp_call_function_single(cpu, nest, counted, true), 0);
	irq_register(EXAMPLE_VECTOR, NULL);
	EXPECT_EQ(inner_hits, 1);
	for (unsigned int i = 0; i < PLAIN; i++)
		EXPECT_EQ(counted[i], 1);
}

/* xAPIC's ICR is two registers: an NMI's send between them must not be seen. */
TEST(apic, nmi_send_keeps_icr2)
{
	uint32_t before;

	if (apic_x2) {
		test_skip("x2APIC's ICR is one register");
		return;
	}
	irq_disable();
	*xapic_register(APIC_ICR2) = 0x5a000000;
	before = *xapic_register(APIC_ICR2);
	arch_send_nmi_self();
	EXPECT_EQ(*xapic_register(APIC_ICR2), before);
	irq_enable();
}

TEST(apic, irq_register_refuses)
{
	EXPECT_EQ(irq_register(14, count_inner), -EINVAL);
	EXPECT_EQ(irq_register(256, count_inner), -EINVAL);
	EXPECT_EQ(irq_register(128, count_inner), -EINVAL);
	EXPECT_EQ(irq_register(0x40, count_inner), 0);
	EXPECT_EQ(irq_register(0x40, count_inner), -EBUSY);
	irq_register(0x40, NULL);
}

static bool delivered;

static bool swallow(struct pt_regs *regs)
{
	(void)regs;
	delivered = true;
	return true;
}

/* Vectors below 16 are illegal: the error must be told, counted and survived. */
TEST(apic, illegal_vector_is_reported)
{
	uint64_t before = this_cpu->irq_count[ERROR_VECTOR];
	trap_hook *hook = trap_set_hook(5, swallow);

	delivered = false;
	irq_disable();
	apic_write_icr(apic_dest[this_cpu->index], ICR_FIXED | 5);
	irq_enable();
	udelay(1000);
	trap_set_hook(5, hook);
	if (delivered)
		test_skip("this APIC delivers vector 5 (an emulator's)");
	else if (this_cpu->irq_count[ERROR_VECTOR] == before && !apic_read_esr())
		test_skip("this APIC drops vector 5 without a word (an emulator's)");
	EXPECT_EQ(apic_read_esr(), 0); /* whoever read it cleared it */
}

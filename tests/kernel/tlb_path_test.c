/*
 * What a shootdown does on its way, and in which order: one write for several targets, the sender's
 * own flush while the others flush, and an answer before the flush.
 */
#include "crew.h"
#include "mm.h"
#include "space.h"
#include "stuck.h"
#include "test.h"
#include "trap_flag.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <arch/x86_64/apic.h>
#include <arch/x86_64/regs.h>
#include <kernel/mm/tlb_ipi.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/time/tick.h>

/* How this CPU sent an IPI last, and where to: what stands in its ICR. */
static uint64_t last_send(void)
{
	if (apic_x2)
		return rdmsr(X2APIC_MSR_ICR) & ~(uint64_t)ICR_BUSY;
	return (uint64_t)apic_read(APIC_ICR2) << 32 | (apic_read(APIC_ICR) & ~ICR_BUSY);
}

/* Whether one write reaches all of a mask, and what stands in the ICR then. It does no harm. */
static bool send_at_once(const struct cpumask *mask, uint64_t *sent)
{
	unsigned int writes;

	irq_disable();
	writes = arch_send_ipi_mask(mask, TLB_FLUSH_VECTOR);
	*sent = last_send();
	arch_send_ipi(this_cpu->index, TLB_FLUSH_VECTOR);
	EXPECT(writes > 1 || last_send() != *sent);
	irq_enable();
	return writes == 1;
}

/* Two of at least three others, so that it is no shorthand. Nothing else is sent meanwhile. */
TEST(tlb, several_targets_are_one_write)
{
	struct cpumask users = { 0 };
	struct aspace *shared;
	uint64_t sent;

	if (cpumask_weight(&cpu_online_mask) < 4) {
		test_skip("needs four CPUs");
		return;
	}
	cpumask_set(&users, other_cpu(1));
	cpumask_set(&users, other_cpu(2));
	tick_suspend();
	shared = crew_begin_few();
	REQUIRE(shared);
	crew_populate(shared, TEST_BASE, 1, 1);
	crew_use(NULL);
	for_each_cpu(cpu, &users)
		crew_one_uses(cpu, shared);
	if (send_at_once(&users, &sent)) {
		EXPECT_EQ(aspace_protect(shared, TEST_BASE, PAGE_SIZE, 0), 0);
		EXPECT_EQ(last_send(), sent);
	} else {
		test_skip("no write reaches two CPUs here");
	}
	crew_end(shared);
	tick_resume();
}

/* Deaf until the sender of a flush, which waits for it, has flushed its own TLB. */
struct late_target {
	struct aspace *space;
	unsigned int sender;
	atomic_bool begun;
	bool sender_flushed;
};

static void wait_for_sender(void *info)
{
	struct late_target *late = info;
	_Atomic uint64_t *gen = &late->space->line.gen, *senders = &cpus[late->sender]->tlb.gen;
	uint64_t before = atomic_load(gen);

	atomic_store(&late->begun, true);
	late->sender_flushed = WAIT_UNTIL(atomic_load(gen) != before) &&
			       WAIT_UNTIL(atomic_load(senders) == atomic_load(gen));
}

TEST(tlb, the_sender_flushes_while_it_waits)
{
	struct late_target late = { .sender = this_cpu->index };

	if (lacks_cpus(2))
		return;
	late.space = crew_begin_few();
	REQUIRE(late.space);
	crew_populate(late.space, TEST_BASE, 1, 1);
	EXPECT_EQ(smp_call_function_single(other_cpu(1), wait_for_sender, &late, false), 0);
	EXPECT(WAIT_UNTIL(atomic_load(&late.begun)));
	EXPECT_EQ(aspace_protect(late.space, TEST_BASE, PAGE_SIZE, 0), 0);
	EXPECT(late.sender_flushed);
	crew_end(late.space);
}

static unsigned int flushed_before, flushed_after; /* the answer */

/* 0F 01 /7 with a memory operand (SDM vol. 2, INVLPG). */
static bool is_invlpg(const uint8_t *code)
{
	code += (*code & 0xf0) == 0x40; /* REX */
	return code[0] == 0x0f && code[1] == 0x01 && (code[2] >> 3 & 7) == 7 && code[2] < 0xc0;
}

static bool on_step(struct pt_regs *regs)
{
	if (!is_invlpg((const uint8_t *)regs->rip))
		return true;
	if (this_cpu->self->tlb.gen == space->line.gen)
		flushed_after++;
	else
		flushed_before++;
	return true;
}

/* As if another CPU had changed two pages of the space that this one uses, step by step. */
TEST(tlb, the_answer_comes_before_the_flush)
{
	trap_hook *before;
	bool more;

	REQUIRE(space_begin());
	EXPECT_EQ(flush_tlb_all(), 0); /* so that it is behind with nothing else */
	flushed_before = flushed_after = 0;
	before = trap_set_hook(TRAP_DB, on_step);
	irq_disable();
	space->line.start = TEST_BASE;
	space->line.pages = 2;
	space->line.gen++;
	set_trap_flag(true);
	more = on_tlb_flush_quick();
	set_trap_flag(false);
	irq_enable();
	trap_set_hook(TRAP_DB, before);
	EXPECT(!more);
	EXPECT_EQ(flushed_before, 0);
	EXPECT_EQ(flushed_after, 2);
	space_end();
}

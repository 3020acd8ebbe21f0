/*
 * Exceptions, gates and stacks: each kind is raised for real.
 */
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/mm.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <arch/uaccess.h>
#include <arch/x86_64/regs.h>
#include <arch/x86_64/tables_load.h>
#include <kernel/debug/symbols.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>
#include <lib/string.h>

static struct pt_regs seen;
static unsigned int hits;
static bool interrupts_were_on;
static uint64_t hook_stack;

static bool note(struct pt_regs *regs)
{
	seen = *regs;
	hits++;
	interrupts_were_on = !irqs_disabled();
	hook_stack = (uint64_t)__builtin_frame_address(0);
	return true;
}

/* For faults: also skips the instruction, whose length is known. */
static unsigned int skip;
static bool note_and_skip(struct pt_regs *regs)
{
	note(regs);
	regs->rip += skip;
	return true;
}

#define WITH_HOOK(vector, hook, action) \
	do { \
		trap_hook *before_ = trap_set_hook(vector, hook); \
		hits = 0; \
		action; \
		trap_set_hook(vector, before_); \
	} while (0)

TEST(trap, breakpoint)
{
	WITH_HOOK(TRAP_BP, note, asm volatile("int3"));
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(seen.vector, TRAP_BP);
	EXPECT_EQ(seen.error, 0);
	EXPECT(!interrupts_were_on); /* till SWAPGS, if it came from ring 3 */
}

TEST(trap, system_call_gate)
{
	WITH_HOOK(SYSCALL_VECTOR, note, asm volatile("int $0x80"));
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(seen.vector, SYSCALL_VECTOR);
	EXPECT(!interrupts_were_on);
}

TEST(trap, divide_error)
{
	skip = 2; /* div %ecx */
	WITH_HOOK(TRAP_DE, note_and_skip,
		  asm volatile("xor %%edx, %%edx; mov $1, %%eax; xor %%ecx, %%ecx; div %%ecx"
			       :
			       :
			       : "eax", "ecx", "edx"));
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(seen.vector, TRAP_DE);
}

TEST(trap, invalid_opcode)
{
	skip = 2;
	WITH_HOOK(TRAP_UD, note_and_skip, asm volatile("ud2"));
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(seen.vector, TRAP_UD);
	EXPECT_EQ(seen.error, 0);
}

/* An error code of the CPU's own, and the registers around it in their places. */
TEST(trap, general_protection_has_error_code)
{
	uint64_t marker = 0x1122334455667788;

	skip = 2; /* mov %ax, %ds */
	WITH_HOOK(TRAP_GP, note_and_skip,
		  asm volatile("mov %0, %%r15; mov $0x50, %%eax; mov %%eax, %%ds"
			       :
			       : "r"(marker)
			       : "eax", "r15"));
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(seen.vector, TRAP_GP);
	EXPECT_EQ(seen.error, 0x50);
	EXPECT_EQ(seen.r15, marker);
	EXPECT_EQ(seen.rax, 0x50);
	EXPECT_EQ(seen.cs, GDT_KERNEL_CODE);
}

static uint64_t cr2_seen;
static bool note_page_fault(struct pt_regs *regs)
{
	note(regs);
	cr2_seen = read_cr2();
	return false; /* the exception table takes it from here */
}

TEST(trap, page_fault)
{
	uint64_t address = VMAP_START + (1ul << 40) + 0x123;
	char byte = 0;

	WITH_HOOK(TRAP_PF, note_page_fault,
		  EXPECT_EQ(probe_write((void *)address, &byte, 1), -EFAULT));
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(cr2_seen, address);
	EXPECT_EQ(seen.error & 0x1f, 2); /* a write, not present, kernel */
	EXPECT(!interrupts_were_on);     /* an interrupt gate, so that CR2 survives */
}

/* As if the function that could not be fetched had returned at once. */
static bool return_from_fetch(struct pt_regs *regs)
{
	note(regs);
	if (!(regs->error & 0x10))
		return false;
	regs->rip = *(uint64_t *)regs->rsp;
	regs->rsp += 8;
	return true;
}

TEST(trap, data_is_not_executable)
{
	static char code[] = { (char)0xc3 }; /* ret */
	void (*volatile call)(void) = (void (*)(void))(uintptr_t)code;

	if (!(cpuid(0x80000001, 0).edx >> 20 & 1)) {
		test_skip("this CPU has no NX");
		return;
	}
	WITH_HOOK(TRAP_PF, return_from_fetch, call());
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(seen.error & 0x1f, 0x11); /* present, fetch */
	EXPECT_EQ(seen.rip, (uint64_t)code);
}

TEST(trap, debug_clears_dr7)
{
	uint64_t dr7;

	WITH_HOOK(TRAP_DB, note,
		  asm volatile("mov %0, %%dr7"
			       :
			       : "r"(0x402ul));
		  asm volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; pushfq; andl $~0x100, "
			       "(%%rsp); popfq"
			       :
			       :
			       : "memory", "cc"));
	asm volatile("mov %%dr7, %0" : "=r"(dr7));
	EXPECT(hits >= 1);
	EXPECT_EQ(dr7, 0x400);
}

#define DR7_DR0_READS 0x30403ul /* DR0: reads and writes of one byte */

/* What every entry looks at: with the breakpoint in force there, this would never return. */
TEST(trap, debug_breakpoint_on_its_own_path)
{
	irq_disable();
	asm volatile("mov %0, %%dr0" : : "r"((uint64_t)&arch_has_smap));
	WITH_HOOK(TRAP_DB, note, {
		asm volatile("mov %0, %%dr7" : : "r"(DR7_DR0_READS));
		*(volatile bool *)&arch_has_smap;
	});
	asm volatile("mov %0, %%dr7; mov %1, %%dr0" : : "r"(0x400ul), "r"(0ul));
	irq_enable();
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(seen.vector, TRAP_DB);
}

static bool on_ist(unsigned int ist)
{
	uint64_t top = this_cpu->arch.tables.tss.ist[ist - 1];

	return hook_stack < top && hook_stack >= top - IST_STACK_SIZE;
}

TEST(trap, debug_has_its_own_stack)
{
	WITH_HOOK(TRAP_DB, note,
		  asm volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; pushfq; andl $~0x100, "
			       "(%%rsp); popfq"
			       :
			       :
			       : "memory", "cc"));
	EXPECT(hits >= 1 && on_ist(IST_DB));
}

TEST(trap, machine_check_has_its_own_stack)
{
	WITH_HOOK(TRAP_MC, note, asm volatile("int $18"));
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(seen.vector, TRAP_MC);
	EXPECT(on_ist(IST_MC));
}

static volatile unsigned int nmi_hits;
static volatile bool nmi_on_ist;
static bool note_nmi(struct pt_regs *regs)
{
	(void)regs;
	hook_stack = (uint64_t)__builtin_frame_address(0);
	nmi_on_ist = on_ist(IST_NMI);
	nmi_hits++;
	return true;
}

TEST(trap, nmi_has_its_own_stack)
{
	nmi_hits = 0;
	WITH_HOOK(TRAP_NMI, note_nmi, {
		arch_send_nmi_self();
		EXPECT(WAIT_UNTIL(nmi_hits == 1));
	});
	EXPECT(nmi_on_ist);
}

/* An NMI between IRET and the next: the second must come too. */
TEST(trap, nmi_is_unblocked_again)
{
	nmi_hits = 0;
	WITH_HOOK(TRAP_NMI, note_nmi, {
		for (unsigned int i = 1; i <= 5; i++) {
			arch_send_nmi_self();
			EXPECT(WAIT_UNTIL(nmi_hits == i));
		}
	});
}

TEST(trap, gates)
{
	for (unsigned int vector = 0; vector < 256; vector++) {
		struct gate_info gate = idt_gate(vector);
		bool system = vector == TRAP_BP || vector == TRAP_OF || vector == SYSCALL_VECTOR;

		if (!gate.present || gate.selector != GDT_KERNEL_CODE)
			test_fail(__FILE__, __LINE__, "vector %u has no gate", vector);
		if (gate.dpl != (system ? 3u : 0u))
			test_fail(__FILE__, __LINE__, "vector %u: DPL %u", vector, gate.dpl);
		if (gate.is_trap)
			test_fail(__FILE__, __LINE__, "vector %u leaves interrupts on", vector);
	}
	EXPECT_EQ(idt_gate(TRAP_DF).ist, IST_DF);
	EXPECT_EQ(idt_gate(TRAP_NMI).ist, IST_NMI);
	EXPECT_EQ(idt_gate(TRAP_MC).ist, IST_MC);
	EXPECT_EQ(idt_gate(TRAP_DB).ist, IST_DB);
	EXPECT_EQ(idt_gate(TRAP_GP).ist, IST_NONE);
}

struct tables_seen {
	uint64_t idt, gdt, gs, cr4;
	uint16_t tr;
};

static void look_at_tables(void *info)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idt, gdt;
	struct tables_seen *found = info;

	asm volatile("sidt %0; sgdt %1; str %2" : "=m"(idt), "=m"(gdt), "=m"(found->tr));
	found->idt = idt.base;
	found->gdt = gdt.base;
	found->gs = rdmsr(MSR_GS_BASE);
	found->cr4 = read_cr4();
}

TEST(trap, every_cpu_has_its_tables)
{
	struct tables_seen mine;

	look_at_tables(&mine);
	for_each_cpu(cpu, &cpu_online_mask) {
		struct tables_seen its;

		EXPECT_EQ(smp_call_function_single(cpu, look_at_tables, &its, true), 0);
		EXPECT_EQ(its.idt, mine.idt);
		EXPECT_EQ(its.gdt, (uint64_t)cpus[cpu]->arch.tables.gdt);
		EXPECT_EQ(its.gs, (uint64_t)cpus[cpu]);
		EXPECT_EQ(its.tr, GDT_TSS);
		EXPECT_EQ(its.cr4, mine.cr4);
	}
}

TEST(trap, protections_are_on)
{
	struct cpuid features = { 0 };
	uint64_t cr4 = read_cr4();

	if (cpuid(0, 0).eax >= 7)
		features = cpuid(7, 0);
	EXPECT_EQ(!!(cr4 & CR4_SMEP), features.ebx >> 7 & 1);
	EXPECT_EQ(!!(cr4 & CR4_SMAP), features.ebx >> 20 & 1);
	EXPECT_EQ(!!(cr4 & CR4_UMIP), features.ecx >> 2 & 1);
	EXPECT(read_cr0() & (1 << 16)); /* WP */
}

TEST(trap, msr_that_is_not_there)
{
	uint64_t value;

	EXPECT_EQ(rdmsr_safe(0x1b, &value), 0);
	EXPECT(value & 1 << 11);
	/* x2APIC's id: cannot be read in xAPIC mode, nor written in x2APIC mode. */
	if (apic_x2)
		EXPECT_EQ(wrmsr_safe(X2APIC_MSR(APIC_ID), 0), -EIO);
	else
		EXPECT_EQ(rdmsr_safe(X2APIC_MSR(APIC_ID), &value), -EIO);
}

static bool count_and_find(uint64_t address, bool returns, void *context)
{
	unsigned int *frames = context;

	(void)address;
	(void)returns;
	return ++*frames < 32;
}

/* A chain that points anywhere must end the trace, never fault. */
TEST(trap, backtrace_survives_garbage)
{
	uint64_t loop[2] = { (uint64_t)loop, (uint64_t)count_and_find };
	unsigned int frames = 0;

	backtrace_walk(0, 0x1234, count_and_find, &frames);
	backtrace_walk(0, 0xffff800000000008, count_and_find, &frames);
	backtrace_walk(0, ~7ull, count_and_find, &frames);
	backtrace_walk(0, (uint64_t)loop + 1, count_and_find, &frames);
	EXPECT_EQ(frames, 0);
	backtrace_walk(0, (uint64_t)loop, count_and_find, &frames);
	EXPECT(frames && frames <= 32);
}

/* Where one function ends with a call that never returns, the next one was not called. */
TEST(trap, return_address_belongs_to_the_caller)
{
	uint64_t next = (uint64_t)backtrace_walk;
	char place[80], caller[80];

	symbol_format(next, false, place, sizeof(place));
	symbol_format(next, true, caller, sizeof(caller));
	EXPECT(!strncmp(place, "backtrace_walk+0", strlen("backtrace_walk+0")));
	EXPECT(strncmp(caller, "backtrace_walk", strlen("backtrace_walk")));
	symbol_format(next + 1, true, caller, sizeof(caller));
	EXPECT(!strncmp(caller, "backtrace_walk+0x1 ", strlen("backtrace_walk+0x1 ")));
}

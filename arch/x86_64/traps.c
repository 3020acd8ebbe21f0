/*
 * Where every general entry arrives: exceptions go to a hook, to the exception
 * table, or to a panic that says what happened; interrupts go to their handler.
 */
#include "apic.h"
#include "extable.h"
#include "page_fault.h"
#include "pic.h"
#include "regs.h"
#include "tables_load.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/mm.h>
#include <arch/uaccess.h>
#include <kernel/console/printk.h>
#include <kernel/debug/symbols.h>
#include <kernel/mm/tlb_ipi.h>
#include <kernel/panic.h>
#include <kernel/sched/sched.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/nmi.h>
#include <kernel/smp/stop.h>
#include <kernel/smp/vectors.h>
#include <lib/errno.h>
#include <lib/printf.h>

#define OPCODE_HLT 0xf4

extern const char text_start[], text_end[];

static trap_hook *hooks[VECTORS];
static void (*handlers[VECTORS])(void);

/* The IPIs with a short entry, when they take the long way for somebody to see them. */
static const struct ipi {
	unsigned int vector;
	void (*handler)(void);
} ipis[] = {
	{ CALL_FUNCTION_SINGLE_VECTOR, on_call_function_single },
	{ CALL_FUNCTION_VECTOR, on_call_function },
	{ RESCHEDULE_VECTOR, on_reschedule },
	{ TLB_FLUSH_VECTOR, on_tlb_flush },
	{ EXAMPLE_VECTOR, on_example },
};
#define IPIS (sizeof(ipis) / sizeof(ipis[0]))

static bool hooked[VECTORS];
static bool (*_Atomic filters[VECTORS])(unsigned int vector);

static const char *const mnemonics[TRAPS] = {
	[0] = "#DE divide error",
	[1] = "#DB debug",
	[2] = "NMI",
	[3] = "#BP breakpoint",
	[4] = "#OF overflow",
	[5] = "#BR bound range",
	[6] = "#UD invalid opcode",
	[7] = "#NM no coprocessor",
	[8] = "#DF double fault",
	[10] = "#TS invalid TSS",
	[11] = "#NP segment not present",
	[12] = "#SS stack segment",
	[13] = "#GP general protection",
	[14] = "#PF page fault",
	[16] = "#MF x87 error",
	[17] = "#AC alignment check",
	[18] = "#MC machine check",
	[19] = "#XM SIMD error",
	[20] = "#VE virtualization",
	[21] = "#CP control protection",
	[28] = "#HV hypervisor injection",
	[29] = "#VC VMM communication",
	[30] = "#SX security",
};

trap_hook *trap_set_hook(unsigned int vector, trap_hook *hook)
{
	trap_hook *before;

	BUG_ON(vector >= TRAPS && vector != SYSCALL_VECTOR);
	before = hooks[vector];
	hooks[vector] = hook;
	return before;
}

/* The hook is left when the gate is taken back: a CPU may be between the two. */
void ipi_set_hook(unsigned int vector, trap_hook *hook)
{
	if (hook)
		hooks[vector] = hook;
	hooked[vector] = hook != NULL;
	idt_use_general_entry(vector, hooked[vector] || filters[vector]);
}

static const struct ipi *find_ipi(unsigned int vector)
{
	for (unsigned int i = 0; i < IPIS; i++) {
		if (ipis[i].vector == vector)
			return &ipis[i];
	}
	return NULL;
}

/* IRQ_WORK and REBOOT come the long way always. */
int ipi_set_filter(unsigned int vector, bool (*filter)(unsigned int vector))
{
	bool has_short_entry = find_ipi(vector);

	if (!has_short_entry && vector != IRQ_WORK_VECTOR && vector != REBOOT_VECTOR)
		return -EINVAL;
	atomic_store_explicit(&filters[vector], filter, memory_order_release);
	if (has_short_entry)
		idt_use_general_entry(vector, hooked[vector] || filter);
	return 0;
}

/* By a fault that was put in, and acknowledged. */
IPI_PATH static bool is_lost(unsigned int vector)
{
	bool (*filter)(unsigned int) = atomic_load_explicit(&filters[vector], memory_order_acquire);

	return filter && !filter(vector);
}

/* An IPI on the long way: first what may lose it, then who looks at it. */
IPI_PATH static void observed_ipi(const struct ipi *ipi, struct pt_regs *regs)
{
	if (is_lost(ipi->vector))
		return;
	if (!hooked[ipi->vector] || !hooks[ipi->vector](regs))
		ipi->handler();
}

int irq_register(unsigned int vector, void (*handler)(void))
{
	if (vector < TRAPS || vector >= VECTORS || vector == SYSCALL_VECTOR)
		return -EINVAL;
	if (handler && handlers[vector])
		return -EBUSY;
	handlers[vector] = handler;
	return 0;
}

/*
 * The vector that is nobody's has a short entry like the kernel's IPIs, so that what is
 * tried out with it can be compared with them. Its handler may be gone when it comes.
 */
IPI_PATH void on_example(void)
{
	void (*handler)(void) = handlers[EXAMPLE_VECTOR];

	apic_eoi();
	this_cpu->irq_count[EXAMPLE_VECTOR]++;
	if (handler)
		handler();
}

static const char *mnemonic(unsigned int vector)
{
	if (vector < TRAPS && mnemonics[vector])
		return mnemonics[vector];
	return "reserved exception";
}

/* SDM vol. 3 §6.13 for selectors. */
static void describe_error(const struct pt_regs *regs, char *text, size_t size)
{
	uint64_t e = regs->error;

	if (regs->vector == TRAP_PF)
		page_fault_describe(regs, text, size);
	else if (e)
		snprintf(text, size, "%s selector %#lx%s",
			 e & 2 ? "IDT" :
			 e & 4 ? "LDT" :
				 "GDT",
			 e & 0xfff8, e & 1 ? ", external event" : "");
	else
		text[0] = '\0';
}

void trap_print(const struct pt_regs *regs)
{
	char symbol[80], error[96];

	describe_error(regs, error, sizeof(error));
	symbol_format(regs->rip, false, symbol, sizeof(symbol));
	printk("%s (vector %u, error %lx) %s\n  at %s\n", mnemonic(regs->vector), regs->vector,
	       regs->error, error, symbol);
	printk("  rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", regs->rax, regs->rbx,
	       regs->rcx, regs->rdx);
	printk("  rsi %016lx  rdi %016lx  rbp %016lx  rsp %016lx\n", regs->rsi, regs->rdi,
	       regs->rbp, regs->rsp);
	printk("  r8  %016lx  r9  %016lx  r10 %016lx  r11 %016lx\n", regs->r8, regs->r9, regs->r10,
	       regs->r11);
	printk("  r12 %016lx  r13 %016lx  r14 %016lx  r15 %016lx\n", regs->r12, regs->r13,
	       regs->r14, regs->r15);
	printk("  rip %016lx  cs %02lx  ss %02lx  rflags %06lx  cr2 %016lx  cr3 %lx\n", regs->rip,
	       regs->cs, regs->ss, regs->rflags, read_cr2(), read_cr3());
}

/* A CPU that was halted is interrupted right behind its HLT. */
static bool was_halted(uint64_t rip)
{
	return rip > (uint64_t)text_start && rip <= (uint64_t)text_end &&
	       *(const uint8_t *)(rip - 1) == OPCODE_HLT;
}

struct trap_place trap_place(const struct pt_regs *regs)
{
	return (struct trap_place){
		.rip = regs->rip,
		.frame = regs->rbp,
		.irqs_off = irqs_disabled_flags(regs->rflags),
		.halted = was_halted(regs->rip),
	};
}

/*
 * Without this, a breakpoint on the handler's own path would recur without end, and on the
 * same stack: so it comes before anything is read that may have one.
 */
static void clear_dr7(void)
{
	asm volatile("mov %0, %%dr7" : : "r"(0x400ul));
}

/* One that nobody asked for is the hardware's complaint: said, and survived. */
static void nmi(struct pt_regs *regs)
{
	trap_hook *hook = hooks[TRAP_NMI];

	preempt_count_add(NMI_OFFSET);
	this_cpu->irq_count[TRAP_NMI]++;
	if (!stop_on_nmi(regs) && !look_on_nmi(regs) && !(hook && hook(regs)))
		printk_once("nmi: CPU %u: for no known reason\n", this_cpu->index);
	preempt_count_sub(NMI_OFFSET);
}

static void exception(struct pt_regs *regs)
{
	trap_hook *hook = hooks[regs->vector];
	uint64_t fixup;

	if (hook && hook(regs))
		return;
	fixup = extable_find(regs->rip);
	if (fixup && !(regs->cs & 3)) {
		regs->rip = fixup;
		return;
	}
	panic_regs(regs, "%s", mnemonic(regs->vector));
}

/* A count that a handler leaves changed would hold preemption off, or let it in, for good. */
IPI_PATH static void run_handler(unsigned int vector)
{
	uint32_t count;

	preempt_count_add(HARDIRQ_OFFSET);
	count = preempt_count();
	if (handlers[vector])
		handlers[vector]();
	else
		printk_once("irq: vector %u has no handler, ignored\n", vector);
	if (preempt_count() != count) {
		warn("irq: the handler of vector %u left preempt count %#x, found %#x", vector,
		     preempt_count(), count);
		preempt_count_add(count - preempt_count());
	}
	preempt_count_sub(HARDIRQ_OFFSET);
}

/*
 * Acknowledged first, so that the vector may be raised again while its handler
 * runs; a spurious one has nothing in service and gets no EOI (SDM vol. 3 §11.9).
 */
IPI_PATH static void interrupt(unsigned int vector, const struct pt_regs *regs)
{
	const struct pt_regs *before = this_cpu->irq_regs;

	if (is_lost(vector))
		return;
	this_cpu->irq_count[vector]++;
	if (vector == SPURIOUS_VECTOR || pic_is_spurious(vector))
		return;
	apic_eoi();
	this_cpu->irq_regs = regs;
	run_handler(vector);
	this_cpu->irq_regs = before;
}

/* The whole state is on the thread's own stack, so it may be left here. */
static void leave_interrupt(const struct pt_regs *regs)
{
	if (preempt_count_equals(0))
		preempt_schedule_irq(regs->rip);
}

/* What was interrupted may have had a user's pages open; its flag comes back with its registers. */
void isr_dispatch_own_stack(struct pt_regs *regs)
{
	if (regs->vector == TRAP_DB)
		clear_dr7();
	user_access_end();
	if (regs->vector == TRAP_NMI)
		nmi(regs);
	else
		exception(regs);
}

IPI_PATH void isr_dispatch(struct pt_regs *regs)
{
	const struct ipi *ipi = find_ipi(regs->vector);

	user_access_end();
	if (ipi) {
		observed_ipi(ipi, regs);
		leave_interrupt(regs);
	} else if (regs->vector < TRAPS || hooks[regs->vector]) {
		exception(regs);
	} else {
		interrupt(regs->vector, regs);
		leave_interrupt(regs);
	}
}

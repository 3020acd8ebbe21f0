/*
 * Exceptions: the saved registers, hooks, and code that may fault.
 */
#ifndef ARCH_TRAP_H
#define ARCH_TRAP_H

#include <arch/mm.h>
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What isr.S leaves on the stack, lowest address first. */
struct pt_regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
	uint64_t rax, rcx, rdx, rsi, rdi;
	uint8_t vector, vector_sign[7]; /* pushed as a signed byte */
	uint64_t error;                 /* 0 where the CPU pushes none */
	uint64_t rip, cs, rflags, rsp, ss;
};

static_assert(sizeof(struct pt_regs) == 22 * 8, "fixed by isr.S");
static_assert(offsetof(struct pt_regs, rip) == 17 * 8, "fixed by isr.S");

enum trap {
	TRAP_DE = 0,
	TRAP_DB = 1,
	TRAP_NMI = 2,
	TRAP_BP = 3,
	TRAP_OF = 4,
	TRAP_UD = 6,
	TRAP_DF = 8,
	TRAP_GP = 13,
	TRAP_PF = 14,
	TRAP_MC = 18,
	TRAPS = 32,
	SYSCALL_VECTOR = 128,
};

/*
 * Asked before an exception (vector < TRAPS, or SYSCALL_VECTOR) counts as fatal;
 * returns whether it dealt with it. It runs in the exception's context: for NMI,
 * #MC, #DB and #DF that is a stack of their own, on which it must not fault.
 * Returns the hook that was there, which a test puts back.
 */
typedef bool trap_hook(struct pt_regs *regs);
trap_hook *trap_set_hook(unsigned int vector, trap_hook *hook);

/*
 * Lets hook see an IPI that has a short entry, in place of its handler, which it must
 * call; from then on the IPI takes the longer way. NULL: the short entry again. Thread
 * context, one CPU at a time; the IPI may arrive meanwhile.
 */
void ipi_set_hook(unsigned int vector, trap_hook *hook);

/*
 * Asks filter before such an IPI gets to its handler: where it says no, it has
 * acknowledged the IPI, and that was all. NULL: nobody is asked. -EINVAL for a vector
 * other than those with a short entry, IRQ_WORK and REBOOT. Otherwise as ipi_set_hook.
 */
int ipi_set_filter(unsigned int vector, bool (*filter)(unsigned int vector));

/*
 * Accesses that may fault: 0, or -EFAULT (probe_*) or -EIO (MSRs). Any context
 * but NMI.
 */
int rdmsr_safe(uint32_t msr, uint64_t *value);
int wrmsr_safe(uint32_t msr, uint64_t value);
int probe_read(void *to, const void *from, size_t size);
int probe_write(void *to, const void *from, size_t size);

/* A page fault, decoded. */
struct page_fault {
	uint64_t address;
	enum map_flags wants; /* MAP_WRITE, MAP_EXEC, or 0 to read */
	bool allowed;         /* if the page allows it; else the access itself was a mistake */
	bool irqs_on;         /* where it happened */
	bool by_user;         /* in ring 3 */
	bool expected;        /* the code there knows what to do when nobody serves it */
};
struct page_fault page_fault_decode(const struct pt_regs *regs);

/* After interrupts were on in its handler: what prints it shall find its address, not another's. */
void page_fault_recall(const struct page_fault *fault);

/*
 * Calls func(info) and returns 0, or what trap_abort made of it. frame must stay as long as func
 * runs. Thread context.
 */
struct arch_try {
	uint64_t rbx, rbp, r12, r13, r14, r15, rsp;
};
int arch_try(void (*func)(void *info), void *info, struct arch_try *frame);

/* When the exception at regs returns, func is over and arch_try returns -EFAULT. Its handler. */
void trap_abort(struct pt_regs *regs, const struct arch_try *frame);

/* What regs interrupted: an address, the frame pointer there, and the CPU's state. */
struct trap_place {
	uint64_t rip, frame;
	bool irqs_off, halted;
};
struct trap_place trap_place(const struct pt_regs *regs);

/* Prints the registers and what the exception means. Any context. */
void trap_print(const struct pt_regs *regs);

/* An address of a backtrace: where a call returns to, or where the CPU was. False to stop. */
typedef bool backtrace_visit(uint64_t address, bool returns, void *context);

/*
 * Calls visit with rip, if it is not 0, and each return address and interrupted place,
 * innermost first, of this CPU's stack from a frame pointer on. Every frame is checked
 * against the known stacks before it is read, so that it is safe in an NMI.
 */
void backtrace_walk(uint64_t rip, uint64_t rbp, backtrace_visit *visit, void *context);

/*
 * The same for a stack of KERNEL_STACK_SIZE that was left at sp (arch_switch). Another CPU
 * may use it meanwhile: then what is found may be anything. Any context.
 */
void backtrace_walk_stack(uint64_t sp, uint64_t top, backtrace_visit *visit, void *context);

/* Prints a symbolised backtrace of the caller, or of what regs interrupted. */
void backtrace_print(const struct pt_regs *regs);

#endif

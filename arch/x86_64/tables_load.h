/*
 * Making a CPU use its own tables. On the CPU in question, interrupts off.
 */
#ifndef X86_TABLES_LOAD_H
#define X86_TABLES_LOAD_H

#include <arch/trap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpu;

/* Loads GDT, TSS and GS base; the IST stacks must be in the TSS already. */
void tables_load(struct cpu *cpu);

/* Fills the IDT, once. */
void idt_init(void);
/* Loads it on this CPU. */
void idt_load(void);

/*
 * Gates (SDM vol. 3 §6.11). An interrupt gate turns interrupts off; a system gate is one
 * that ring 3 may use with INT n. Both assert that the vector may have such a gate. There
 * is no trap gate, which leaves interrupts as they are: one that came between the gate and
 * SWAPGS would find the kernel's CS, and take ring 3's GS base for the kernel's.
 */
void set_intr_gate(unsigned int vector, const void *entry, unsigned int ist);
void set_system_gate(unsigned int vector, const void *entry);

/*
 * Lets a vector that has a short entry go through isr_dispatch, or not any more. May be
 * done while it arrives.
 */
void idt_use_general_entry(unsigned int vector, bool general);

struct gate_info {
	const void *entry;
	unsigned int ist, dpl;
	bool is_trap, present;
	uint16_t selector;
};
struct gate_info idt_gate(unsigned int vector);

/* Gives cpu guarded stacks for the four ISTs. Returns 0 or -ENOMEM. */
int tables_alloc_stacks(struct cpu *cpu);

/* The C ends of the general entries, and of those with a stack of their own. For isr.S alone. */
void isr_dispatch(struct pt_regs *regs);
void isr_dispatch_own_stack(struct pt_regs *regs);

/* The C end of EXAMPLE_VECTOR's short entry. Called by isr.S alone. */
void on_example(void);

#endif

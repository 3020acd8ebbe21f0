/*
 * Going from one stack to another.
 */
#ifndef ARCH_SWITCH_H
#define ARCH_SWITCH_H

#include <stdint.h>

struct thread;

/*
 * Leaves this stack, noting in *save where, for the one that was left at to. Returns when this
 * one is gone to again. Interrupts off. What the caller keeps in registers it keeps on its
 * stack.
 */
static inline void arch_switch(uint64_t *save, uint64_t to)
{
	asm volatile("call arch_switch_stack"
		     : "+D"(save), "+S"(to)
		     :
		     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
		       "r15", "memory", "cc");
}

/* The same, but on the other stack after(prev) is called first. */
static inline void arch_switch_special(uint64_t *save, uint64_t to, struct thread *prev,
				       void (*after)(struct thread *prev))
{
	asm volatile("call arch_switch_stack_special"
		     : "+D"(save), "+S"(to), "+d"(prev), "+c"(after)
		     :
		     : "rax", "rbx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory",
		       "cc");
}

/*
 * Makes a stack that was never used look as if it had been left: whoever goes to it is
 * at the start of entry(), which must not return. top is aligned to 16. Returns
 * what arch_switch takes for to.
 */
uint64_t arch_new_stack(uint64_t top, void (*entry)(void));

#endif

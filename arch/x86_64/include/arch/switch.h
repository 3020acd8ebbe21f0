/*
 * Going from one stack to another.
 */
#ifndef ARCH_SWITCH_H
#define ARCH_SWITCH_H

#include <stdint.h>

struct thread;

/*
 * Leaves this stack, noting in *save where, for the one that was left at to. Returns
 * on that stack, from the call that left it, with the prev of the call that was left
 * now. Interrupts off. What the caller keeps in registers it keeps on its stack.
 */
static inline struct thread *arch_switch(uint64_t *save, uint64_t to, struct thread *prev)
{
	struct thread *before;

	asm volatile("call arch_switch_stack"
		     : "=a"(before), "+D"(save), "+S"(to), "+d"(prev)
		     :
		     : "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory",
		       "cc");
	return before;
}

/*
 * Makes a stack that was never used look as if it had been left: whoever goes to it is
 * at the start of entry(prev), which must not return. top is aligned to 16. Returns
 * what arch_switch takes for to.
 */
uint64_t arch_new_stack(uint64_t top, void (*entry)(struct thread *prev));

#endif

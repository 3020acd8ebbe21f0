/*
 * #DB behind every instruction.
 */
#ifndef TESTS_KERNEL_TRAP_FLAG_H
#define TESTS_KERNEL_TRAP_FLAG_H

#include <stdbool.h>

#define RFLAGS_TF (1ul << 8)

/* For the thread that runs; a hook of TRAP_DB must be there. */
static inline void set_trap_flag(bool on)
{
	if (on)
		asm volatile("pushfq; orq %0, (%%rsp); popfq" : : "i"(RFLAGS_TF) : "memory", "cc");
	else
		asm volatile("pushfq; andq %0, (%%rsp); popfq"
			     :
			     : "i"(~RFLAGS_TF)
			     : "memory", "cc");
}

#endif

/*
 * The registers of FPU, SSE and AVX, for the threads that ask for them. Nobody else may
 * touch them: an instruction that does is a #NM, and that a panic.
 */
#ifndef ARCH_FPU_H
#define ARCH_FPU_H

#include <stddef.h>

/* What a thread's take, in bytes; at most a page. */
size_t arch_fpu_size(void);

/* Makes them as a new thread finds them. The memory is aligned to 64. */
void arch_fpu_init(void *registers);

/*
 * Puts the registers away, and takes others up. Either is NULL for a thread that has
 * none. Interrupts off, on the CPU in question.
 */
void arch_fpu_switch(void *from, void *to);

#endif

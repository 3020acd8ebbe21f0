/* Switching the FPU on. */
#ifndef X86_FPU_H
#define X86_FPU_H

/*
 * Lets the CPU keep the registers of those that ask for them, by XSAVE where it has it.
 * On every CPU, interrupts off, once CR4 was written.
 */
void fpu_cpu_init(void);

#endif

/* The handlers of TLB_FLUSH, for the vector's entries in isr.S and traps.c. */
#ifndef KERNEL_MM_TLB_IPI_H
#define KERNEL_MM_TLB_IPI_H

#include <arch/ipi.h>
#include <stdbool.h>

/* Interrupts off, both. quick calls nothing; it returns whether rest must be called after it. */
bool ARCH_LEAF_HANDLER on_tlb_flush_quick(void);

/* Whatever this CPU has missed. For others, too: it need not come from an interrupt. */
void on_tlb_flush_rest(void);

/* Both in one, for the longer way in. */
void on_tlb_flush(void);

#endif

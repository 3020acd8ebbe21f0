/* Page faults, for the rest of arch. */
#ifndef X86_PAGE_FAULT_H
#define X86_PAGE_FAULT_H

#include <arch/trap.h>

/* Writes what a page fault's error code and CR2 say. */
void page_fault_describe(const struct pt_regs *regs, char *text, size_t size);

#endif

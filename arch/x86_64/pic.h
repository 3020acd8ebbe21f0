/* The two 8259 interrupt controllers of old: silenced. */
#ifndef X86_PIC_H
#define X86_PIC_H

#include <stdbool.h>

/* Masks both, after moving them off the exceptions' vectors. Boot CPU, once. */
void pic_disable(void);

/*
 * Whether an arriving vector is one that a masked 8259 may still raise (IRQ 7 and
 * 15, when the line dropped before the acknowledgement). Interrupts off.
 */
bool pic_is_spurious(unsigned int vector);

#endif

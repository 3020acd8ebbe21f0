/* The handlers of the IPIs but TLB_FLUSH, for the vectors' entries in isr.S alone. */
#ifndef KERNEL_SMP_VECTORS_H
#define KERNEL_SMP_VECTORS_H

void on_call_function_single(void);
void on_call_function(void);
void on_reschedule(void);

#endif

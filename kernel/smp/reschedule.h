/* The nudge without a message: come by and look for work. */
#ifndef KERNEL_SMP_RESCHEDULE_H
#define KERNEL_SMP_RESCHEDULE_H

/* Any context but NMI. The CPU must be online. What was stored before is visible there. */
void smp_send_reschedule(unsigned int cpu);

#endif

/*
 * Asking other CPUs what they are doing, whether their interrupts are off or not.
 */
#ifndef KERNEL_SMP_NMI_H
#define KERNEL_SMP_NMI_H

#include <kernel/smp/snapshot.h>
#include <lib/cpumask.h>
#include <stdbool.h>

#define NMI_ANSWER_NS 1000000000ull /* what a CPU is given to answer */
#define NMI_BUSY_NS   200000000ull  /* and another that is asking, to end */

/*
 * Prints the backtrace of each CPU in the mask, this one too if it is named, one
 * CPU's lines together; of one that is not online or does not answer, only that.
 * Waits at most NMI_ANSWER_NS for all of them together, and NMI_BUSY_NS for another
 * CPU that is asking. Any context but NMI. Returns 0, -EINVAL for no mask, -EBUSY.
 */
int nmi_backtrace(const struct cpumask *mask);

/*
 * Whoever asks has all the snapshots to itself: between a nmi_try_begin that
 * returned true and nmi_end. Any context but NMI.
 */
bool nmi_try_begin(void);
void nmi_end(void);

/*
 * Asks one CPU that is online, which may be done with interrupts off: in its NMI it
 * waits for nobody. Not this CPU; NULL if it does not answer within NMI_ANSWER_NS. The
 * snapshot is good until nmi_end.
 */
const struct snapshot *nmi_look(unsigned int cpu);

/* From the NMI entry: whether this NMI was a question; then it is answered. */
bool look_on_nmi(const struct pt_regs *regs);

#endif

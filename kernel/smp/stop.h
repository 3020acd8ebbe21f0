/*
 * Stopping CPUs for good, whatever they are doing: a panic's first act.
 *
 * High priority and without state: no queue, nothing that was sent before has to be
 * done first. REBOOT asks, and finds its target at a place where it holds nothing
 * that is taken with interrupts off; the NMI that follows takes it as it is.
 */
#ifndef KERNEL_SMP_STOP_H
#define KERNEL_SMP_STOP_H

#include <lib/cpumask.h>
#include <stdbool.h>

struct pt_regs;

#define STOP_REBOOT_NS 200000000ull  /* what a CPU is given to take REBOOT */
#define STOP_NMI_NS    1000000000ull /* and then the NMI */

/* Gives REBOOT its handler. Boot CPU, before the others are started. */
void stop_init(void);

/*
 * Stops all online CPUs but this one, and waits for them at most STOP_REBOOT_NS +
 * STOP_NMI_NS. They are offline then: calls to them are -ENXIO, and a waited call
 * that is on its way to one is cancelled. Any context. If two CPUs do this at once,
 * the second is stopped.
 */
void smp_send_stop(void);

/* The same for those in the mask, without that guard: they must not do it, too. */
void smp_stop_cpus(const struct cpumask *mask);

/*
 * One line for each CPU that was asked to stop, or stopped by itself: what it was
 * doing then. Any context.
 */
void stop_report(void);

/*
 * Stops this CPU. last_words, which may be NULL, is what it would have said; it must
 * stay.
 */
void stop_this_cpu(const char *last_words) __attribute__((noreturn));

/* From the NMI entry: whether this NMI was a request to stop; then it does not return. */
bool stop_on_nmi(const struct pt_regs *regs);

#endif

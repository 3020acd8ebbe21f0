/*
 * Making threads run again, from any CPU.
 */
#ifndef KERNEL_SCHED_WAKE_H
#define KERNEL_SCHED_WAKE_H

#include <kernel/sched/thread.h>
#include <stdbool.h>
#include <stdint.h>

struct cpu;

/*
 * Makes a BLOCKED thread run again, on the CPU that it belongs to. What the caller wrote
 * before is visible to it. Any context but NMI. Returns 1, or 0 if it was not BLOCKED,
 * or -ESRCH, with a warning, if it is over.
 */
int thread_wake(struct thread *thread);

/*
 * The two halves, for who holds a lock in between. Interrupts off; flags are from before.
 * wake_end sets interrupts as they were, and leaves this thread if it must.
 */
int wake_begin(struct thread *thread);
void wake_end(unsigned long flags);

/*
 * For whom RESCHEDULE is sent: struct cpu holds the priority that a thread must have
 * above it for its waker to owe the IPI.
 */
#define WAKE_PRIORITY_MASK 0xffu
#define WAKE_POLLS         0xffu  /* the CPU looks at its wake list all the time */
#define WAKE_URGENT        0xfeu  /* higher than any thread's */
#define WAKE_SENT          0x100u /* that was raised by a waker, who sends one */

/* What became of wake-ups, counted by the CPU that wakes. */
enum wake_outcome {
	WAKE_HERE,       /* the thread belongs to this CPU: no IPI */
	WAKE_IPI,        /* RESCHEDULE was sent */
	WAKE_POLLED,     /* not sent: the CPU polls */
	WAKE_ON_ITS_WAY, /* not sent: one is on its way */
	WAKE_CAN_WAIT,   /* not sent: the CPU has something as urgent to do */
	WAKE_OUTCOMES,
};

/*
 * Why else RESCHEDULE was sent, or was not, by this CPU. What is left of ipi_sent is
 * smp_send_reschedule's, and what was sent again.
 */
enum nudge {
	NUDGE_SELF,   /* to itself: resched_self */
	NUDGE_IDLE,   /* to a CPU that idles: wake_up_all_idle_cpus */
	NUDGE_POLLED, /* not sent for that: the CPU polls */
	NUDGES,
};

/*
 * For the scheduler. Interrupts off. Takes all that others put into this CPU's wake
 * list; current is still running, on its stack.
 */
void wake_collect(struct cpu *cpu, struct thread *current);

/*
 * For the scheduler: hands a thread of this CPU's to the one that it is pinned to. Its
 * stack was left, it is in no queue, and interrupts are off.
 */
void wake_elsewhere(struct thread *thread);

/*
 * Lets this CPU come to its scheduler as soon as interrupts are on: for who finds that
 * it is due while they are off, in a thread or in a call's function. Interrupts off.
 */
void resched_self(void);

/*
 * Makes every other CPU that is idle leave its idle state once. Returns how many were
 * sent RESCHEDULE for that. Any context but NMI.
 */
unsigned int wake_up_all_idle_cpus(void);

#endif

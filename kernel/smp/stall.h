/*
 * One report about a CPU that does not do what is queued for it, and what helps.
 */
#ifndef KERNEL_SMP_STALL_H
#define KERNEL_SMP_STALL_H

#include <kernel/smp/patience.h>
#include <kernel/smp/spinlock.h>
#include <lib/llist.h>
#include <stdbool.h>
#include <stdint.h>

/* How long something may take: what stall_ms= says, or else what was set; 0: stall_ms= again. */
uint64_t stall_deadline_ns(void);
void stall_set_deadline_ns(uint64_t ns);

/* What a CPU has to empty. */
enum stall_queue {
	STALL_CALLS,
	STALL_IRQ_WORK,
	STALL_WAKES,
	STALL_QUEUES,
	STALL_TLB = STALL_QUEUES, /* no queue: who waits knows whether it is owed */
	STALL_KINDS,
};

/* What a CPU's watcher knows of one of its queues. */
struct queue_watch {
	struct spinlock lock;
	bool held, reported;      /* the queue held something; the watcher claimed the stall */
	uint64_t progress;        /* when it was looked at last */
	uint64_t looked_at;       /* by the clock of who looked */
	uint64_t age_ns;          /* for how long it was not emptied */
	struct patience patience; /* with that age as its clock */
};

/*
 * The newest in the queue, or NULL; it is the CPU's, not ours to touch. And a number
 * that changes when the queue is emptied. Any context.
 */
const struct llist_node *stall_queue_first(unsigned int cpu, enum stall_queue queue);
uint64_t stall_queue_progress(unsigned int cpu, enum stall_queue queue);

/*
 * Of all who find the same CPU stuck, one reports and the others are silent: the one
 * that claimed it, until it gives it back. Any context but NMI.
 */
bool stall_claim(unsigned int cpu);
void stall_release(unsigned int cpu);

/*
 * Prints headline, which ends in a newline, then what that CPU's NMI says about the
 * IPI and where it is, and who waits for whom; sends the IPI again if it is owed and
 * not there. Takes at most NMI_ANSWER_NS and the printing. Returns false, and does
 * nothing, while another report is being made. Any context but NMI.
 *
 * stall_report_flush asks is_done(wait, cpu), behind the NMI, whether it is still owed.
 */
bool stall_report(unsigned int cpu, enum stall_queue queue, const char *headline);
bool stall_report_flush(unsigned int cpu, bool (*is_done)(const void *wait, unsigned int cpu),
			const void *wait, const char *headline);

/*
 * hook(cpu) is called at the end of every report, in its context; NULL: none. Boot CPU,
 * thread context.
 */
void stall_set_hook(void (*hook)(unsigned int cpu));

#endif

/*
 * What the kernel keeps for each CPU.
 *
 * The first part is the CPU's own: nobody else writes there, and this_cpu->field
 * is how it is reached. The second part is what others write, on cache lines of
 * its own, so that they do not disturb the first.
 */
#ifndef KERNEL_SMP_CPU_H
#define KERNEL_SMP_CPU_H

#include <arch/cpu.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/tlb.h>
#include <kernel/sched/preempt.h>
#include <kernel/sched/runq.h>
#include <kernel/sched/thread.h>
#include <kernel/sched/wake.h>
#include <kernel/sched/watchdog.h>
#include <kernel/smp/snapshot.h>
#include <kernel/smp/stall.h>
#include <kernel/smp/waiting.h>
#include <kernel/time/tick.h>
#include <kernel/time/timer.h>
#include <lib/cpumask.h>
#include <lib/llist.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE 64
#define VECTORS    256

struct csd;

enum stop_cause { STOP_BY_REBOOT, STOP_BY_NMI, STOP_BY_ITSELF };

struct cpu {
	/* The CPU's own. */
	struct cpu *self;       /* first: this_cpu->self is %gs:0 */
	uint32_t preempt_count; /* changed by <arch/preempt.h> alone */
	unsigned int index;
	struct thread *current, *idle;
	unsigned int self_calls; /* calls to itself that are running, nested */
	struct csd *csd_next;    /* the pool is a ring; where to look first */
	struct csd *csd_pool;
	struct csd *csd_wait;   /* nr_cpus of them, for this CPU's waited call */
	uint32_t csd_count;     /* of the pool */
	uint64_t csd_exhausted; /* calls refused because the pool was empty */
	uint64_t calls_queued;  /* on whichever CPU, by this one */
	uint64_t calls_cancelled;
	uint64_t ipi_surplus; /* sent with the others to CPUs that were owed none */
	uint64_t ipi_sent[VECTORS];
	uint64_t irq_count[VECTORS]; /* interrupts taken, IPIs included */
	uint64_t calls_run;          /* by the drain */
	uint64_t irq_work_emptied;   /* how often its queue of irq_work was */
	struct cpumask owed;         /* while a call to many is sent: who is owed an IPI */
	struct runq runq;
	uint64_t resched_sent;         /* to itself, on its way: schedules + 1 of that time; or 0 */
	uint64_t wakes[WAKE_OUTCOMES]; /* by this CPU, of threads of any */
	uint64_t nudges[NUDGES];
	uint64_t switches, moved_away; /* to another thread; threads to another CPU */
	struct lockup soft_lockup;
	uint64_t idle_rounds;      /* how often the idle loop went to wait */
	struct thread boot_thread; /* who it booted as: an AP's idle thread, or main */
	struct frame_cache frame_cache;
	struct arch_cpu arch;

	/* The CPU's own, too, and read by those who ask what it does. */
	const struct pt_regs *irq_regs; /* what the interrupt being handled interrupted */
	struct tick tick;
	_Atomic uint64_t idle_since; /* in its cycles, if it is idle */
	uint64_t wakes_taken;        /* out of its wake list */
	uint64_t schedules;          /* calls of schedule() */
	struct waiting waiting;
	struct snapshot snapshot;
	struct tlb tlb __attribute__((aligned(CACHE_LINE)));
	_Atomic uint32_t look_done; /* the number of the question that snapshot answers */
	enum stop_cause stop_cause;
	const char *last_words; /* of one that stopped by itself */

	/*
	 * The others that are online, for this CPU's calls: their queues, NULL for those
	 * that are not and for itself, and the same as a mask. Changed when a CPU comes
	 * or goes, by cpu_set_online alone.
	 */
	_Atomic(struct llist_head *) peer_queue[MAX_CPUS] __attribute__((aligned(CACHE_LINE)));
	struct cpumask peers;

	/* Others write here. */
	struct llist_head call_single_queue __attribute__((aligned(CACHE_LINE)));
	struct llist_head wake_list __attribute__((aligned(CACHE_LINE)));
	_Atomic uint32_t wake_above; /* see wake.h */
	atomic_bool poked;           /* an idle CPU is to look up */
	struct timers timers;
	atomic_bool stopped __attribute__((aligned(CACHE_LINE)));
	atomic_bool stop_wanted, stall_claimed;
	_Atomic uint32_t look_wanted; /* the number of the last question */
	struct llist_head irq_work_queue, irq_work_lazy;
	struct queue_watch queue_watch[STALL_QUEUES];
	struct lockup hard_lockup;
} __attribute__((aligned(CACHE_LINE)));

static_assert(offsetof(struct cpu, self) == 0, "this_cpu->self is %gs:0");
static_assert(offsetof(struct cpu, preempt_count) == PREEMPT_COUNT_OFFSET, "for isr.S, too");

/* CPUs found, online or not: valid indices are below this. Fixed before APs start. */
extern unsigned int nr_cpus;

/* The words of a cpumask in which they have bits. */
extern unsigned int cpumask_words;

/* By index; NULL for one that was never given its data. */
extern struct cpu *cpus[MAX_CPUS];

/* Those that take IPIs. Grows while CPUs are started; who is stopped for good leaves it. */
extern struct cpumask cpu_online_mask;

/* The boot CPU's, there from the first instruction on. */
extern struct cpu boot_cpu;

/*
 * The queue of another CPU that is online, or NULL; cpu must be below MAX_CPUS. It lies
 * in this CPU's own data, so that one load answers whether cpu is online, whether it is
 * another CPU and where its queue is. Acquire: pairs with the release in cpu_set_online.
 */
static inline struct llist_head *peer_queue(unsigned long cpu)
{
	return (struct llist_head *)this_cpu_acquire(peer_queue[cpu]);
}

/*
 * This CPU's index, and the thread stays on it until put_cpu. Any context.
 */
static inline unsigned int get_cpu(void)
{
	preempt_disable();
	return this_cpu->index;
}

static inline void put_cpu(void)
{
	preempt_enable();
}

/* In debug builds: a panic. */
void smp_processor_id_may_change(void) __attribute__((noreturn, cold));

/*
 * This CPU's index, for who knows that it does not change: debug builds check that the
 * thread is pinned, or cannot be left. That nobody pins it elsewhere meanwhile is for who
 * relies on that to know.
 */
static inline unsigned int smp_processor_id(void)
{
	if (debug_build && !preempt_count() && !irqs_disabled() &&
	    this_cpu->current->wanted_cpu == ANY_CPU)
		smp_processor_id_may_change();
	return this_cpu->index;
}

static inline bool cpu_online(unsigned int cpu)
{
	return cpumask_test(&cpu_online_mask, cpu);
}

/* From here on others may send to the CPU, or not any more. On the CPU itself, or in a test. */
void cpu_set_online(unsigned int cpu, bool online);

/* Allocates what CPU index needs. Boot CPU. NULL when out of memory. */
struct cpu *cpu_create(unsigned int index);

/* The same for the boot CPU, whose struct cpu is there already; then it is online. */
void cpu_start_boot_cpu(void);

#endif

/*
 * Torture: every CPU calls the others in every way at once, and an oracle knows for
 * each call what must come of it.
 *
 *   modes.c    the ways to call, and how often each is drawn
 *   draw.c     a sender's next call, from its own random numbers
 *   names.c    what the function is given, and what both sides write
 *   make.c     foretells what must come of a call, makes it, and judges the answer
 *   oracle.c   the function that is called, and what it checks
 *   settle.c   waits for a call's end and checks what came of it
 *   works.c    irq_work, also from NMIs
 *   tlb.c      shootdowns
 *   senders.c  the tables of each CPU, and the loops
 *   crowd.c    threads of their own, with deeds.c: crowd.h
 *   accounts.c the kernel's own counters, and that all is quiet at the end
 *   report.c   broken rules, TAP, and the summary
 *
 * A sender keeps its calls in records, which it uses in turn; before it uses one
 * again it settles what the record was used for. The function is given no pointer
 * but a name, in which the record's generation is: one that runs late, or twice,
 * cannot pass for a later call.
 */
#ifndef TESTS_TORTURE_TORTURE_H
#define TESTS_TORTURE_TORTURE_H

#include <kernel/run.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/csd.h>
#include <kernel/smp/irq_work.h>
#include <lib/cpumask.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The rules that are tested: one line of TAP for each. */
enum rule {
	RULE_EXACTLY_ONCE,
	RULE_NOWHERE_ELSE,
	RULE_ORDER,
	RULE_VISIBLE_THERE,
	RULE_VISIBLE_BACK,
	RULE_WAITS,
	RULE_INTERRUPTS,
	RULE_ERRORS,
	RULE_CONDITIONS,
	RULE_RESCHEDULE,
	RULE_IRQ_WORK,
	RULE_THREAD_ALONE,
	RULE_THREAD_PLACE,
	RULE_THREAD_WAKES,
	RULE_THREAD_CALLS,
	RULE_THREAD_LOCKS,
	RULE_GOES_ON,
	RULE_ALL_MODES,
	RULE_ACCOUNTS,
	RULE_QUIET,
	RULE_TLB,
	RULE_COMPLAINTS,
	RULES,
};

/* Calls from a thread and calls from inside a function are ordered each by themselves. */
enum context { FROM_THREAD, FROM_FUNCTION, CONTEXTS };

/* Whom a way to call names. */
enum shape {
	SHAPE_ONE, /* a number */
	SHAPE_ANY, /* one of a mask */
	SHAPE_MASK,
	SHAPE_COND, /* those of a mask that a condition wants */
	SHAPE_ALL,
};

struct call;
struct sender;

/* A way to call. */
struct mode {
	const char *name;
	unsigned int per_cpu, fixed; /* default weight: per_cpu for each sender, and fixed */
	enum shape shape;
	bool wait;  /* the call waits */
	bool reply; /* it does not, but its caller halts until the function wakes it up */
	bool self;  /* the caller's own CPU is called like any other */
	bool pool;  /* it needs descriptors from the pool */
	bool own_csd;
	bool silent; /* it runs a function of the kernel's own, not ours */
	bool signal; /* no call at all, but something else that makes a CPU act */
	bool thread; /* not from inside a function */
	/* Of a signal: before it is made, in a thread, interrupts on; or NULL. */
	void (*prepare)(struct sender *sender, unsigned int cpu);
	int (*make)(const struct call *call, void *name);
};

#define MODES 21
extern const struct mode torture_modes[MODES];

/* Chances in 1,024, drawn for every call. */
enum chance {
	CHANCE_IRQS_OFF, /* the caller's interrupts are off */
	CHANCE_INSIDE,   /* the function makes a call itself */
	CHANCE_DELAY,    /* the function takes its time */
	CHANCE_STRAY,    /* nobody there, or no function */
	CHANCE_PAUSE,    /* the sender stops for a while and goes idle */
	CHANCE_OFFLINE,  /* not drawn: above zero, one CPU plays an offline one */
	CHANCE_CROWD,    /* not drawn: so many threads for each CPU do what threads do */
	CHANCES,
};
#define CHANCE_UNIT 1024

/* One call on one CPU. */
struct entry {
	_Atomic uint16_t runs;
	uint16_t asked;    /* how often its condition was asked */
	uint32_t sequence; /* of this sender's and context's calls to the CPU; 0: not called */
	uint32_t others;   /* calls from the sender's other context that came before */
	uint32_t out;      /* what the function wrote */
};

#define SEQUENCE_SELF UINT32_MAX /* in place, so in no queue and no order */

struct call {
	/* Drawn. */
	const struct mode *mode; /* NULL: no call */
	unsigned int target;     /* SHAPE_ONE */
	struct cpumask *mask;    /* the other shapes; only records of calls to many have one */
	uint32_t delay_ns;
	smp_call_func_t function; /* NULL to be refused */
	bool irqs_off, no_mask;
	bool again; /* the descriptor is handed in a second time at once */
	bool deep;  /* the function calls itself until it is refused */

	/* The oracle's. */
	struct record *record;
	struct entry *entries; /* by CPU; in a record of calls to one: the only one */
	struct entry only;
	bool wide;      /* which of the two */
	bool inside;    /* made by a function */
	bool made;      /* and not refused */
	uint16_t by;    /* the CPU that makes it */
	uint16_t pairs; /* how many CPUs it runs on */
	uint16_t extra; /* how often more than once, because of again */
	uint32_t in;    /* what the caller wrote */
};

enum { OUTER, INNER, CALLS };

struct record {
	_Atomic uint32_t generation;
	uint16_t sender, slot;
	unsigned int inner_on; /* the CPU whose function makes the inner call */
	struct call calls[CALLS];
	struct csd csd; /* the caller-owned one, for either call */
};

#define RECORDS_ONE  128 /* more than a pool of a few CPUs has descriptors */
#define RECORDS_WIDE 4
#define RECORDS      (RECORDS_ONE + RECORDS_WIDE)

/* Calls and the CPUs they ran on, counted in pairs; each context counts for itself. */
struct counts {
	uint64_t named;   /* pairs that calls named, at least one for each call */
	uint64_t refused; /* pairs that came to nothing, since the call returned an error */
	uint64_t ran;
	uint64_t queued; /* those of named that were queued, by the answer of the call */
	uint64_t exhausted;
	uint64_t offline; /* to a CPU that was named and is not online */
};

#define TORTURE_WORKS 8

/* A piece of irq_work that its sender queues again and again. */
struct torture_work {
	struct irq_work work;
	unsigned int cpu;
	uint32_t queued;
	_Atomic uint32_t runs;
};

/* What belongs to one CPU, as a sender and as a target. */
struct sender {
	unsigned int cpu;
	uint64_t random, digest, left, made;
	uint64_t calls; /* of those made, what calls= counts */
	uint64_t by_mode[MODES];
	struct counts counts[CONTEXTS];
	struct record *current; /* NULL before the first */
	unsigned int next_one, next_wide;
	uint32_t *accepted[CONTEXTS]; /* by target: how many calls to it were accepted */
	uint32_t *seen[CONTEXTS];     /* by sender: the number of its last call that ran here */
	uint64_t ipis_noted;          /* in the recorder, of those that this CPU sent */
	unsigned int rescheduled;     /* a CPU it sent RESCHEDULE to, MAX_CPUS for none */
	uint64_t reschedules_before;
	uint64_t tlb_random; /* apart: how many are drawn depends on what others do */
	unsigned int next_work;
	struct torture_work works[TORTURE_WORKS];
	struct irq_work nmi_work;           /* the CPU's own NMIs push it */
	_Atomic uint32_t nmis, nmis_served; /* NMIs that did; those of them it saw when it ran */
	_Atomic uint32_t nmis_sent;         /* by this CPU */
	_Atomic int state;
	struct record records[RECORDS];
};

enum sender_state { SENDER_RUNS, SENDER_PAUSES, SENDER_ENDED };

extern struct sender *torture_senders[MAX_CPUS]; /* by CPU; NULL for no sender */
extern struct cpumask torture_online;            /* the senders, fixed while it runs */
extern unsigned int torture_online_cpus[MAX_CPUS], torture_online_count;
extern unsigned int torture_offline; /* a CPU that is taken for offline; MAX_CPUS for none */
extern atomic_bool torture_stopped;  /* everybody ends after the call at hand */

/* modes.c: what modes= says. */
unsigned int torture_mode_weight(unsigned int mode);
unsigned int torture_chance(enum chance chance);
/* Whether calls= counts it: what is no call counts only where no call is ever drawn. */
bool torture_counts(const struct mode *mode);

/* draw.c: the sender's next call, in a record that is settled. Whether it pauses after it. */
struct record *torture_draw(struct sender *sender, bool *pause);

/*
 * names.c: the number by which the function knows its call; NULL for one that nobody
 * gave. What the caller must have written, and what the function must.
 */
void *torture_name(const struct call *call);
struct call *torture_named(void *name);
uint32_t torture_name_generation(void *name);
uint32_t torture_in(void *name);
uint32_t torture_out(void *name, unsigned int cpu);

/* Whether a call with a condition wants the CPU: no randomness, so that it can be foretold. */
bool torture_wanted(void *name, unsigned int cpu);

/* make.c: any context in which the call may be made. */
void torture_make(struct call *call);

/* oracle.c: what all calls run. */
void torture_function(void *name);

static inline struct entry *torture_entry(const struct call *call, unsigned int cpu)
{
	return call->wide ? &call->entries[cpu] : &call->entries[0];
}

/* Whether the CPU is one on which the call must run. */
static inline bool torture_expects(const struct call *call, unsigned int cpu)
{
	if (cpu >= nr_cpus || (!call->wide && call->target != cpu))
		return false;
	return torture_entry(call, cpu)->sequence != 0;
}

/* settle.c: waits for all that a record was used for. Thread context, interrupts on. */
void torture_settle(struct record *record);

/* Before a RESCHEDULE is sent to cpu: it may be the one that is watched for. */
void torture_watch_reschedule(struct sender *sender, unsigned int cpu);
/* Waits for the one that is. Thread context, interrupts on. */
void torture_settle_reschedule(struct sender *sender);

/* How long may pass until something is over that must be: less once a rule is broken. */
uint64_t torture_patience_ns(void);

/*
 * works.c: makes a piece of the sender's ready for cpu, a thread's; queues that piece;
 * sends an NMI. Return 0.
 */
void torture_prepare_work(struct sender *sender, unsigned int cpu);
int torture_queue_work(struct sender *sender);
int torture_send_nmi(struct sender *sender, unsigned int cpu);

/* Makes a sender's; takes NMIs for torture's; waits for a sender's; checks all of them. */
void torture_works_init(struct sender *sender);
void torture_works_start(void);
void torture_settle_works(struct sender *sender);
void torture_works_close(void);

/*
 * tlb.c: makes the spaces if that mode is drawn at all, 0 or -ENOMEM; a call of the mode, a
 * thread's; a sender is at its end; all are.
 */
int torture_tlb_open(uint64_t seed);
void torture_tlb_steps(struct sender *sender, unsigned int cpu);
void torture_tlb_leave(void);
void torture_tlb_close(void);

/*
 * senders.c: makes the tables for all that torture_online names. 0 or -ENOMEM. Then
 * runs all at once: calls in all, or for so long if that is 0. Returns whether all
 * came to their end.
 */
int torture_senders_make(uint64_t seed);
bool torture_senders_run(uint64_t calls, uint64_t seconds);

/* Says of each that has not ended where it is. Any context but NMI. */
void torture_senders_accuse(void);

/* accounts.c: the kernel's counters before and after. Nobody sends. */
void torture_accounts_open(void);
void torture_accounts_close(void);

/*
 * report.c: a rule is broken. Says so, freezes the recorder, and stops everybody.
 * Any context but NMI; call may be NULL.
 */
void torture_broken(enum rule rule, const struct call *call, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Whether one was. */
bool torture_failed(void);

/*
 * The plan of the TAP; its lines; a JSON object with what was done, which print_more adds to.
 */
void torture_report_begin(void);
enum verdict torture_report_end(uint64_t seed, uint64_t ns, void (*print_more)(void));

/* "0-3,7" */
void torture_mask_format(const struct cpumask *mask, char *text, size_t size);

#endif

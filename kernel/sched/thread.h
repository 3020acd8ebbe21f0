/*
 * Kernel threads.
 *
 *   BLOCKED ─(who wakes it)─► WOKEN ─(its CPU)─► RUNNING ─(itself)─► DEAD ─(join)─► FREE
 *      ▲                        ▲                   │
 *      │                        └───(its CPU: moves to another CPU)
 *      └──────────────────(itself)──────────────────┘
 *
 * RUNNING is one that runs, or could: whether it has the CPU is the run queue's
 * business. A new thread is BLOCKED until it is first woken. WOKEN is in the wake list
 * of its CPU, or on the way there; only the one who made it WOKEN puts it there.
 *
 * A thread belongs to one CPU at a time. Only that CPU puts it into its run queue, runs
 * it, and hands it on to another; everybody else asks by way of the wake list
 * (wake.c). So a run queue needs no lock.
 *
 * A struct thread lies on top of its own stack, and a stack is never unmapped: whoever
 * holds a pointer to a thread that is gone finds DEAD or FREE there, or another thread.
 */
#ifndef KERNEL_SCHED_THREAD_H
#define KERNEL_SCHED_THREAD_H

#include <kernel/sched/completion.h>
#include <lib/list.h>
#include <lib/llist.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define THREAD_NAME   16
#define RT_PRIORITIES 31
#define ANY_CPU       UINT32_MAX

enum thread_state {
	THREAD_RUNNING,
	THREAD_BLOCKED,
	THREAD_WOKEN,
	THREAD_DEAD,
	THREAD_FREE,
};

/* As the run queue counts them. Real time begins above the fair class. */
enum {
	PRIORITY_IDLE = 0,
	PRIORITY_FAIR = 1,
	PRIORITIES = PRIORITY_FAIR + RT_PRIORITIES + 1,
};

/* What a switch to or from the thread has to see to; its CPU's. */
struct arch_try;
struct aspace;

enum thread_special {
	THREAD_MOVES = 1,   /* it is to go on on wanted_cpu */
	THREAD_LEAVING = 2, /* it does, as soon as its stack is left */
	THREAD_EXITED = 4,  /* it is over, as soon as its stack is left */
	THREAD_FPU = 8,     /* it has FPU registers of its own */
	THREAD_SPACE = 16,  /* it uses an address space */
};

struct thread {
	struct llist_node wake_node;
	int (*func)(void *arg);
	void *arg;
	_Atomic uint32_t state;  /* enum thread_state */
	uint8_t priority;        /* as the run queue counts */
	_Atomic uint8_t special; /* enum thread_special; only its CPU writes it */
	bool on_runq;            /* in its CPU's run queue, or running there */
	uint8_t slice;           /* scheduler ticks until it is another's turn */
	atomic_uint cpu;         /* that it belongs to */
	unsigned int wanted_cpu; /* the one that it is pinned to, or ANY_CPU; its CPU's */
	struct thread *next;     /* behind it in the run queue */
	uint64_t sp;             /* while it does not run; 0 while it does */
	void *fpu;               /* THREAD_FPU: where its registers are meanwhile */
	struct aspace
		*aspace; /* THREAD_SPACE: whose lower half it may touch; changed by aspace_use */
	struct arch_try *user_run; /* where it goes on if a fault ends it; NULL: nowhere */
	uint64_t stack_top;
	int result;
	uint32_t id;
	char name[THREAD_NAME];
	struct list_node all;     /* in the list of all threads */
	atomic_bool joined, over; /* somebody waits for its end; it has come */
	struct completion exited;
} __attribute__((aligned(64)));

static inline unsigned int thread_special(const struct thread *thread)
{
	return atomic_load_explicit(&thread->special, memory_order_relaxed);
}

/* On the CPU that the thread belongs to, interrupts off. */
static inline void thread_set_special(struct thread *thread, unsigned int set, unsigned int clear)
{
	unsigned int special = (thread_special(thread) & ~clear) | set;

	atomic_store_explicit(&thread->special, (uint8_t)special, memory_order_relaxed);
}

/*
 * The thread itself, or who plays it. BLOCKED, unless it is that already, or WOKEN: what
 * is looked at next is looked at after that. And RUNNING again; false if it is WOKEN, and
 * must come out of the wake list first.
 */
static inline void thread_set_blocked(struct thread *thread)
{
	uint32_t state = THREAD_RUNNING;

	atomic_compare_exchange_strong_explicit(&thread->state, &state, THREAD_BLOCKED,
						memory_order_seq_cst, memory_order_seq_cst);
}

static inline bool thread_set_running(struct thread *thread)
{
	uint32_t state = THREAD_BLOCKED;

	return atomic_compare_exchange_strong_explicit(&thread->state, &state, THREAD_RUNNING,
						       memory_order_relaxed,
						       memory_order_relaxed) ||
	       state != THREAD_WOKEN;
}

/* { .func = f } is a thread of the fair class that runs anywhere. */
struct thread_args {
	const char *name; /* NULL: none */
	int (*func)(void *arg);
	void *arg;
	unsigned int priority; /* 0: the fair class; real time: 1, the lowest, to RT_PRIORITIES */
	bool pinned;           /* stays on cpu */
	unsigned int cpu;      /* if it is pinned */
	bool fpu;              /* may use FPU, SSE and AVX registers */
};

/*
 * Makes a thread, which runs func(arg) after its first thread_wake. Whoever made it
 * must join it. Thread context. Returns 0, -EINVAL (no func, no such priority or CPU),
 * -ENXIO (the CPU is not online), -ENOMEM (no stack).
 */
int thread_create(struct thread **thread, const struct thread_args *args);

/* The same, and wakes it. */
int thread_run(struct thread **thread, const struct thread_args *args);

/*
 * Waits for the thread's end, gives what func returned, and frees it. Thread context.
 * Returns 0, -EINVAL (null), -ESRCH (it is no thread any more), -EBUSY (another joins
 * it), -EDEADLK (oneself, or where nobody may wait).
 */
int thread_join(struct thread *thread, int *result);

/* Whether it is over, so that thread_join would not wait. Acquire: what it wrote is visible. */
bool thread_is_over(const struct thread *thread);

/* Ends this thread, as returning from func does. */
void thread_exit(int result) __attribute__((noreturn));

/*
 * Lets the thread run on that CPU only, or on any if it is ANY_CPU. This thread is
 * there when the call returns; another goes as soon as it gets a CPU. Thread context.
 * Returns 0, -EINVAL, -ENXIO, -ESRCH, or -EDEADLK where nobody may wait, with a warning.
 */
int thread_pin(struct thread *thread, unsigned int cpu);

/* How many there are, beside those that the CPUs booted with. Any context. */
unsigned int thread_count(void);

/*
 * Calls visit for each thread until it says false. Thread context. It may take no lock
 * and must not wait.
 */
void thread_visit(bool (*visit)(struct thread *thread, void *context), void *context);

/* What a CPU needs before it can leave its first context. Boot CPU, once, for itself. */
void thread_init(void);

#endif

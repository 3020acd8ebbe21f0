/*
 * When a CPU may leave one thread for another.
 *
 * One word in struct cpu decides. It is 0 when the thread may be left and must be:
 *
 *   31              23…20   19…16     15…8       7…0
 *   nothing due     NMI     hardirq   softirq    preempt
 *
 *   preempt      preempt_disable, nested; a spin lock taken with interrupts on
 *   softirq      nobody counts here yet
 *   hardirq      a device's, the timer's or a rare IPI's handler runs. The four IPIs with
 *                a short entry do not count: that interrupts are off is enough there
 *   NMI          an NMI's handler runs
 *   nothing due  0: schedule() is due (need_resched). Inverted, so that one test of the
 *                whole word answers both questions
 *
 * Only the CPU itself writes it, also to say that schedule() is due: whoever wants that
 * of another CPU sends RESCHEDULE.
 */
#ifndef KERNEL_SCHED_PREEMPT_H
#define KERNEL_SCHED_PREEMPT_H

#include <arch/preempt.h>
#include <stdbool.h>
#include <stdint.h>

#define PREEMPT_OFFSET      1u
#define SOFTIRQ_OFFSET      (1u << 8)
#define HARDIRQ_OFFSET      (1u << 16)
#define NMI_OFFSET          (1u << 20)
#define PREEMPT_MASK        0x000000ffu
#define SOFTIRQ_MASK        0x0000ff00u
#define HARDIRQ_MASK        0x000f0000u
#define NMI_MASK            0x00f00000u
#define PREEMPT_BORROWED    0x7f000000u /* nobody counts here: more was let in than held off */
#define PREEMPT_NOTHING_DUE (1u << 31)

#define PREEMPT_ENABLED PREEMPT_NOTHING_DUE /* a thread's, with nothing counted */

/*
 * A function during which preemption is held off without counting: if an interrupt that
 * would leave the thread finds it running, the local timer comes a moment later and tries
 * again. For what is short, calls nothing, and is measured in instructions. All of it is
 * held off, save what it calls.
 *
 * On a machine whose local timer cannot be used the thread is left when it comes to a
 * preempt_enable or blocks, or by the next interrupt whose exit looks.
 */
#define no_preempt_text __attribute__((section(".text.no_preempt"), noinline))

/* Leaves the thread if it may be left. The word is 0. Interrupts on or off. */
void preempt_schedule(void);

/* All that is counted, without the flag. */
static inline uint32_t preempt_count(void)
{
	return preempt_count_read() & ~PREEMPT_NOTHING_DUE;
}

static inline bool in_nmi(void)
{
	return preempt_count_read() & NMI_MASK;
}

static inline bool in_hardirq(void)
{
	return preempt_count_read() & HARDIRQ_MASK;
}

static inline bool in_softirq(void)
{
	return preempt_count_read() & SOFTIRQ_MASK;
}

/* In a handler of any kind but those of the short IPIs. */
static inline bool in_interrupt(void)
{
	return preempt_count_read() & (NMI_MASK | HARDIRQ_MASK | SOFTIRQ_MASK);
}

static inline bool need_resched(void)
{
	return !(preempt_count_read() & PREEMPT_NOTHING_DUE);
}

/* Of this CPU. Interrupts off. */
static inline void set_need_resched(void)
{
	preempt_count_clear_bits(PREEMPT_NOTHING_DUE);
}

static inline void clear_need_resched(void)
{
	preempt_count_set_bits(PREEMPT_NOTHING_DUE);
}

/* The thread stays on this CPU and is not left, until preempt_enable. Pairs may nest. Any context. */
static inline void preempt_disable(void)
{
	preempt_count_add(PREEMPT_OFFSET);
}

/*
 * More was let in than was held off: the count borrowed from the flag, so nothing seems to be
 * counted in a section that holds preemption off, and much outside. It is mended, with a
 * warning.
 */
void preempt_check_balance(void);

/* The rest of preempt_enable, where schedule() is due or the flag is lent out. */
void preempt_enable_slowly(void);

/* Ends it, and leaves the thread at once if that is due. */
static inline void preempt_enable(void)
{
	if (__builtin_expect(preempt_count_dec_and_test(), 0))
		preempt_enable_slowly();
}

/* Ends it; what is due waits for the next interrupt, or for preempt_check_resched. */
static inline void preempt_enable_no_resched(void)
{
	if (__builtin_expect(preempt_count_dec_and_test(), 0))
		preempt_check_balance();
}

static inline void preempt_check_resched(void)
{
	if (__builtin_expect(preempt_count_equals(0), 0))
		preempt_schedule();
}

#endif

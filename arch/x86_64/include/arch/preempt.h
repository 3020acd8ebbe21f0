/*
 * The word in struct cpu that holds preemption off, as one instruction for each
 * change: an interrupt in the middle of a longer one could set the flag in it, and
 * that would be lost. What the word holds is in kernel/sched/preempt.h.
 *
 * Any context. The compiler moves no access to memory across a change.
 */
#ifndef ARCH_PREEMPT_H
#define ARCH_PREEMPT_H

#include <stdbool.h>
#include <stdint.h>

#define PREEMPT_COUNT_OFFSET 8 /* in struct cpu, and in isr.S */

static inline uint32_t preempt_count_read(void)
{
	uint32_t count;

	asm volatile("movl %%gs:%c1, %0" : "=r"(count) : "i"(PREEMPT_COUNT_OFFSET) : "memory");
	return count;
}

static inline void preempt_count_add(uint32_t value)
{
	asm volatile("addl %0, %%gs:%c1"
		     :
		     : "ri"(value), "i"(PREEMPT_COUNT_OFFSET)
		     : "memory", "cc");
}

static inline void preempt_count_sub(uint32_t value)
{
	asm volatile("subl %0, %%gs:%c1"
		     :
		     : "ri"(value), "i"(PREEMPT_COUNT_OFFSET)
		     : "memory", "cc");
}

/* One less; whether the highest bit is clear now. */
static inline bool preempt_count_dec_and_test(void)
{
	bool clear;

	asm volatile("decl %%gs:%c1" : "=@ccns"(clear) : "i"(PREEMPT_COUNT_OFFSET) : "memory");
	return clear;
}

static inline bool preempt_count_equals(uint32_t value)
{
	bool equal;

	asm volatile("cmpl %1, %%gs:%c2"
		     : "=@ccz"(equal)
		     : "ri"(value), "i"(PREEMPT_COUNT_OFFSET)
		     : "memory");
	return equal;
}

static inline void preempt_count_set_bits(uint32_t bits)
{
	asm volatile("orl %0, %%gs:%c1" : : "ri"(bits), "i"(PREEMPT_COUNT_OFFSET) : "memory", "cc");
}

static inline void preempt_count_clear_bits(uint32_t bits)
{
	asm volatile("andl %0, %%gs:%c1"
		     :
		     : "ri"(~bits), "i"(PREEMPT_COUNT_OFFSET)
		     : "memory", "cc");
}

#endif

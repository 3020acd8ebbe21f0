/*
 * The contract of arch/x86_64/include/arch/preempt.h kept by a program. A signal between the parts
 * of a change leaves the count as it found it, and it sets the flag only where no thread is left.
 */
#ifndef ARCH_PREEMPT_H
#define ARCH_PREEMPT_H

#include <stdbool.h>
#include <stdint.h>

#define PREEMPT_COUNT_OFFSET 8

uint32_t preempt_count_read(void);
void preempt_count_add(uint32_t value);
void preempt_count_set_bits(uint32_t bits);
void preempt_count_clear_bits(uint32_t bits);

static inline void preempt_count_sub(uint32_t value)
{
	preempt_count_add(-value);
}

static inline bool preempt_count_equals(uint32_t value)
{
	return preempt_count_read() == value;
}

static inline bool preempt_count_dec_and_test(void)
{
	preempt_count_sub(1);
	return !(preempt_count_read() >> 31);
}

#endif

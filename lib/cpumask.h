/*
 * Sets of CPUs by index. A mask is read and written by one CPU at a time unless
 * a function is named _atomic. Any context.
 */
#ifndef LIB_CPUMASK_H
#define LIB_CPUMASK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define MAX_CPUS      1024
#define CPUMASK_WORDS (MAX_CPUS / 64)

struct cpumask {
	_Atomic uint64_t word[CPUMASK_WORDS];
};

inline uint64_t cpumask_word(const struct cpumask *mask, unsigned long index)
{
	return atomic_load_explicit(&mask->word[index], memory_order_relaxed);
}

static inline void cpumask_set_word(struct cpumask *mask, unsigned int index, uint64_t word)
{
	atomic_store_explicit(&mask->word[index], word, memory_order_relaxed);
}

/* Acquire: pairs with the release of who changed the word by an atomic step. */
static inline uint64_t cpumask_word_acquire(const struct cpumask *mask, unsigned int index)
{
	return atomic_load_explicit(&mask->word[index], memory_order_acquire);
}

static inline bool cpumask_test(const struct cpumask *mask, unsigned int cpu)
{
	return cpumask_word(mask, cpu / 64) >> (cpu % 64) & 1;
}

static inline void cpumask_set(struct cpumask *mask, unsigned int cpu)
{
	uint64_t word = cpumask_word(mask, cpu / 64) | 1ull << (cpu % 64);

	atomic_store_explicit(&mask->word[cpu / 64], word, memory_order_relaxed);
}

static inline void cpumask_clear(struct cpumask *mask, unsigned int cpu)
{
	uint64_t word = cpumask_word(mask, cpu / 64) & ~(1ull << (cpu % 64));

	atomic_store_explicit(&mask->word[cpu / 64], word, memory_order_relaxed);
}

/* Release: what the caller wrote before is seen by who acquires the bit. */
static inline void cpumask_set_atomic(struct cpumask *mask, unsigned int cpu)
{
	atomic_fetch_or_explicit(&mask->word[cpu / 64], 1ull << (cpu % 64), memory_order_release);
}

static inline void cpumask_clear_atomic(struct cpumask *mask, unsigned int cpu)
{
	atomic_fetch_and_explicit(&mask->word[cpu / 64], ~(1ull << (cpu % 64)),
				  memory_order_release);
}

/*
 * The first member that is at or after cpu; MAX_CPUS if there is none. Where the compiler is to
 * save room it calls the one in cpumask.c.
 */
inline unsigned int cpumask_next(const struct cpumask *mask, unsigned int cpu)
{
	unsigned int index = cpu / 64;
	uint64_t word;

	if (cpu >= MAX_CPUS)
		return MAX_CPUS;
	word = cpumask_word(mask, index) & ~0ull << (cpu % 64);
	while (!word) {
		if (++index == CPUMASK_WORDS)
			return MAX_CPUS;
		word = cpumask_word(mask, index);
	}
	return index * 64 + (unsigned int)__builtin_ctzll(word);
}

/*
 * How many bits are set: sums of pairs, nibbles, bytes. A compiler's popcount would call libgcc:
 * POPCNT is not part of plain x86-64.
 */
static inline unsigned int cpumask_word_weight(uint64_t word)
{
	word -= word >> 1 & 0x5555555555555555;
	word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
	word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return (unsigned int)(word * 0x0101010101010101 >> 56);
}

static inline unsigned int cpumask_weight(const struct cpumask *mask)
{
	unsigned int weight = 0;

	for (unsigned int i = 0; i < CPUMASK_WORDS; i++)
		weight += cpumask_word_weight(cpumask_word(mask, i));
	return weight;
}

#define for_each_cpu(cpu, mask) \
	for (unsigned int cpu = cpumask_next(mask, 0); cpu < MAX_CPUS; \
	     cpu = cpumask_next(mask, cpu + 1))

#endif

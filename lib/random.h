/*
 * Pseudo-random numbers that a seed repeats (SplitMix64: one word of state, every
 * seed is a good one). Any context; one user at a time for each state.
 */
#ifndef LIB_RANDOM_H
#define LIB_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* 0 … bound - 1; the bias is below bound / 2^64. */
static inline uint64_t random_below(uint64_t *state, uint64_t bound)
{
	return (uint64_t)((unsigned __int128)random_next(state) * bound >> 64);
}

#endif

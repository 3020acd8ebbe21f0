/*
 * Numbers in registers of the FPU, one of each kind that is switched on: x87, SSE, and the upper
 * halves that AVX gives those. Without the compiler: it is told to use none of them.
 */
#ifndef TESTS_KERNEL_FPU_REGISTERS_H
#define TESTS_KERNEL_FPU_REGISTERS_H

#include <arch/x86_64/regs.h>
#include <stdbool.h>
#include <stdint.h>

#define FEATURE_OSXSAVE (1u << 27) /* leaf 1, ECX */
#define FEATURE_AVX     (1u << 28)

static inline bool fpu_has_avx(void)
{
	uint32_t both = FEATURE_OSXSAVE | FEATURE_AVX;

	return (cpuid(1, 0).ecx & both) == both;
}

/* XMM1 is used up. */
static inline void fpu_set_upper(uint64_t value)
{
	asm volatile("movq %0, %%xmm1; vinsertf128 $1, %%xmm1, %%ymm7, %%ymm7;"
		     "vinsertf128 $1, %%xmm1, %%ymm15, %%ymm15"
		     :
		     : "r"(value));
}

static inline bool fpu_upper_is(uint64_t value)
{
	uint64_t one, other;

	asm volatile("vextractf128 $1, %%ymm7, %%xmm1; movq %%xmm1, %0;"
		     "vextractf128 $1, %%ymm15, %%xmm1; movq %%xmm1, %1"
		     : "=&r"(one), "=r"(other));
	return one == value && other == value;
}

static inline void fpu_set_x87(uint64_t value)
{
	asm volatile("fninit; fildll %0" : : "m"(value));
}

/* The register has 64 bits for the number, so that any integer is exact. */
static inline bool fpu_x87_is(uint64_t value)
{
	uint64_t found;

	asm volatile("fld %%st(0); fistpll %0" : "=m"(found));
	return found == value;
}

static inline void fpu_set_vectors(uint64_t value)
{
	asm volatile("movq %0, %%xmm0; movq %0, %%xmm7; movq %0, %%xmm15" : : "r"(value));
	if (fpu_has_avx())
		fpu_set_upper(~value);
}

/* As reset leaves them they are all zero. */
static inline bool fpu_vectors_are(uint64_t value, uint64_t upper)
{
	uint64_t low, middle, high;

	asm volatile("movq %%xmm0, %0; movq %%xmm7, %1; movq %%xmm15, %2"
		     : "=r"(low), "=r"(middle), "=r"(high));
	return low == value && middle == value && high == value &&
	       (!fpu_has_avx() || fpu_upper_is(upper));
}

/* All of them. */
static inline void fpu_set(uint64_t value)
{
	fpu_set_x87(value);
	fpu_set_vectors(value);
}

static inline bool fpu_is(uint64_t value)
{
	return fpu_x87_is(value) && fpu_vectors_are(value, ~value);
}

#endif

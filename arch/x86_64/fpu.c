/*
 * The FPU, eagerly: a thread that has registers of its own finds them loaded, and they
 * are saved when it is left. CR0.TS is set while any other thread runs, so that a stray
 * instruction cannot spoil them.
 *
 * Only x87, SSE and AVX are switched on (XCR0), so the state fits into a page whatever
 * else the CPU has.
 */
#include "fpu.h"
#include "regs.h"
#include <arch/fpu.h>
#include <arch/mm.h>
#include <kernel/panic.h>
#include <stdbool.h>

#define CR0_EM (1ul << 2)
#define CR0_TS (1ul << 3)

#define CR4_OSFXSR     (1ul << 9)
#define CR4_OSXMMEXCPT (1ul << 10)
#define CR4_OSXSAVE    (1ul << 18)

#define FEATURE_XSAVE (1u << 26) /* leaf 1, ECX */
#define LEAF_XSAVE    0xd
#define XCR0_WANTED   7u /* x87, SSE, AVX */

/* SDM vol. 1 §10.5: the first bytes of both formats. Zero means: as reset leaves it. */
struct fxsave {
	uint16_t fcw, fsw, ftw, fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mxcsr_mask;
};

#define FCW_RESET     0x37f
#define MXCSR_RESET   0x1f80
#define FXSAVE_SIZE   512
#define XSAVE_MINIMUM (FXSAVE_SIZE + 64) /* with its header */

static uint32_t xcr0; /* 0: FXSAVE */

static size_t xsave_size(void)
{
	return cpuid(LEAF_XSAVE, 0).ebx;
}

size_t arch_fpu_size(void)
{
	return xcr0 ? xsave_size() : FXSAVE_SIZE;
}

void fpu_cpu_init(void)
{
	bool has_xsave = cpuid(1, 0).ecx & FEATURE_XSAVE;

	write_cr0((read_cr0() | CR0_MP | CR0_NE | CR0_TS) & ~CR0_EM);
	write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | (has_xsave ? CR4_OSXSAVE : 0));
	if (!has_xsave)
		return;
	xcr0 = cpuid(LEAF_XSAVE, 0).eax & XCR0_WANTED;
	asm volatile("xsetbv" : : "c"(0), "a"(xcr0), "d"(0));
	BUG_ON(xsave_size() < XSAVE_MINIMUM || xsave_size() > PAGE_SIZE);
}

void arch_fpu_init(void *registers)
{
	struct fxsave *state = registers;

	*state = (struct fxsave){ .fcw = FCW_RESET, .mxcsr = MXCSR_RESET };
}

static void save(void *to)
{
	if (xcr0)
		asm volatile("xsave64 (%0)" : : "r"(to), "a"(xcr0), "d"(0) : "memory");
	else
		asm volatile("fxsave64 (%0)" : : "r"(to) : "memory");
}

static void load(const void *from)
{
	if (xcr0)
		asm volatile("xrstor64 (%0)" : : "r"(from), "a"(xcr0), "d"(0) : "memory");
	else
		asm volatile("fxrstor64 (%0)" : : "r"(from) : "memory");
}

void arch_fpu_switch(void *from, void *to)
{
	if (from)
		save(from);
	else
		asm volatile("clts" : : : "memory");
	if (to)
		load(to);
	else
		write_cr0(read_cr0() | CR0_TS);
}

/*
 * The FPU's registers: they are a thread's own, if it asked for them.
 */
#include "fpu_registers.h"
#include "stuck.h"
#include "test.h"
#include "threads.h"
#include <arch/cpu.h>
#include <arch/fpu.h>
#include <arch/mm.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/mm/frames.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>
#include <lib/string.h>

#define TRAP_NM 7

static void set_mxcsr(uint32_t value)
{
	asm volatile("ldmxcsr %0" : : "m"(value));
}

static uint32_t get_mxcsr(void)
{
	uint32_t value;

	asm volatile("stmxcsr %0" : "=m"(value));
	return value;
}

static uint16_t get_fcw(void)
{
	uint16_t value;

	asm volatile("fnstcw %0" : "=m"(value));
	return value;
}

#define MXCSR_RESET 0x1f80
#define MXCSR_ROUND 0x2000 /* one step of its rounding control */
#define FCW_RESET   0x37f

/* Each thread has its own numbers in them, and goes to all CPUs. */
static int keep_fpu(void *arg)
{
	uint64_t value = (uint64_t)arg;
	uint32_t mxcsr = MXCSR_RESET | (value & 3) * MXCSR_ROUND;

	if (get_mxcsr() != MXCSR_RESET || get_fcw() != FCW_RESET || !fpu_vectors_are(0, 0))
		return -EIO;
	fpu_set(value);
	set_mxcsr(mxcsr);
	for (unsigned int round = 0; round < 60; round++) {
		if (round % 20 == 19)
			thread_pin(this_cpu->current,
				   round / 20 % cpumask_weight(&cpu_online_mask));
		else
			thread_yield();
		if (!fpu_is(value) || get_mxcsr() != mxcsr)
			return -EIO;
	}
	return 0;
}

static struct thread *run_with_fpu(int (*func)(void *), uint64_t value)
{
	const struct thread_args args = { .func = func,
					  .arg = (void *)value,
					  .pinned = true,
					  .cpu = this_cpu->index,
					  .fpu = true };
	struct thread *thread = NULL;

	EXPECT_EQ(thread_run(&thread, &args), 0);
	return thread;
}

TEST(fpu, registers_are_the_threads_own)
{
	uint64_t frames = 0;

	for (int twice = 0; twice < 2; twice++) {
		struct thread *threads[5];

		for (unsigned int i = 0; i < 5; i++)
			threads[i] = run_with_fpu(keep_fpu, 0x1111111111111111 * (i + 1));
		for (unsigned int i = 0; i < 5; i++)
			EXPECT_EQ(join(threads[i]), 0);
		if (twice)
			EXPECT_EQ(frames_free(), frames);
		frames = frames_free();
	}
	EXPECT(arch_fpu_size() >= 512 && arch_fpu_size() <= PAGE_SIZE);
}

static atomic_uint stray;

/* MOVQ XMM0, RAX is five bytes long. */
static bool skip_stray(struct pt_regs *regs)
{
	atomic_fetch_add(&stray, 1);
	regs->rip += 5;
	return true;
}

static int use_fpu_unasked(void *unused)
{
	(void)unused;
	asm volatile("movq %%rax, %%xmm0" : : "a"(1));
	return 0;
}

TEST(fpu, is_not_for_who_did_not_ask)
{
	trap_hook *before = trap_set_hook(TRAP_NM, skip_stray);
	struct thread *owner;

	atomic_store(&stray, 0);
	owner = run_with_fpu(keep_fpu, 5);
	EXPECT_EQ(join(run_on(this_cpu->index, use_fpu_unasked, NULL)), 0);
	EXPECT_EQ(atomic_load(&stray), 1);
	use_fpu_unasked(NULL);
	EXPECT_EQ(atomic_load(&stray), 2);
	EXPECT_EQ(join(owner), 0);
	trap_set_hook(TRAP_NM, before);
}

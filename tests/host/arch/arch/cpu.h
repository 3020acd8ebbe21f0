/*
 * The contract of arch/x86_64/include/arch/cpu.h kept by a program: a CPU is a thread.
 */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include <assert.h>
#include <lib/cpumask.h>
#include <stdatomic.h>

struct cpu;

/*
 * struct cpu of the CPU that this thread plays. this_cpu->field++ is one instruction as it is in
 * the kernel, which a signal cannot split; ThreadSanitizer makes it more, and lets none in there.
 */
extern __thread struct cpu *host_cpu;
#define this_cpu host_cpu
#define this_cpu_acquire(field) \
	((uint64_t)atomic_load_explicit(&host_cpu->field, memory_order_acquire))
#define this_cpu_store(field, value) \
	atomic_store_explicit(&host_cpu->field, value, memory_order_relaxed)

static inline unsigned long arch_lowest_bit(uint64_t word)
{
	return (unsigned long)__builtin_ctzll(word);
}

#define this_cpu_word(field) atomic_load_explicit(&this_cpu->field, memory_order_relaxed)
#define this_cpu_store_release(field, value) \
	atomic_store_explicit(&this_cpu->field, value, memory_order_release)

struct arch_cpu {
	unsigned int interrupts_while_running; /* those that found the thread not halted */
	bool started; /* plain, and written before the CPU is online: its callers must see it */
};

/* Lets another thread run: there may be more CPUs than processors. Any context. */
void cpu_relax(void);

/* Waits for a signal, with interrupts on meanwhile and off before and after. */
void cpu_halt_until_interrupt(void);

void __attribute__((noreturn)) cpu_park(void);

#endif

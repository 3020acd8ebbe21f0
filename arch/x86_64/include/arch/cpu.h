/*
 * The CPU that runs this: its private data through GS, and the few instructions
 * that the kernel asks of any CPU.
 */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include <arch/tables.h>
#include <lib/cpumask.h>
#include <stdbool.h>
#include <stdint.h>

struct cpu;

/*
 * struct cpu of this CPU, at GS:0. this_cpu->field is one instruction, which an
 * interrupt cannot split. Two of them may run on two CPUs, unless interrupts or
 * preemption are off. For atomics and for a pointer that others may use, take
 * this_cpu->self.
 */
#define this_cpu ((struct cpu __seg_gs *)0)

/*
 * An atomic field of 64 bits, read in one instruction all the same. gcc 12 forgets GS in
 * an atomic access, so it is a volatile one. Acquire: every load is on x86, and the
 * compiler keeps what follows behind it.
 */
#define this_cpu_acquire(field) \
	load_acquire_gs((const volatile uint64_t __seg_gs *)&this_cpu->field)

/* The same for a store. Relaxed. */
#define this_cpu_store(field, value) (*(volatile uint64_t __seg_gs *)&this_cpu->field = (value))

static inline uint64_t load_acquire_gs(const volatile uint64_t __seg_gs *from)
{
	uint64_t value = *from;

	asm volatile("" : : : "memory");
	return value;
}

/*
 * An atomic word of this_cpu that others read and only this CPU writes, in one instruction each:
 * C's atomics lose the segment. The store releases: x86 keeps stores in order, and loads before
 * them; the asm holds the compiler (SDM vol. 3 §9.2.2).
 */
#define this_cpu_word(field) (*(uint64_t __seg_gs *)&this_cpu->field)
#define this_cpu_store_release(field, value) \
	do { \
		asm volatile("" : : : "memory"); \
		this_cpu_word(field) = (value); \
	} while (0)

/* What x86 keeps for each CPU. Private to arch, save that struct cpu holds it. */
struct arch_cpu {
	uint32_t apic_id;
	uint32_t microcode;
	uint32_t package, core, thread; /* topology, from CPUID leaf 0Bh or 1Fh */
	struct descriptor_tables tables;
	_Atomic uint64_t timer_ticks; /* of the broadcast timer, until its interrupt; 0: none */
};

/*
 * The lowest bit that is set; word is not 0. As one instruction: a compiler clears the
 * register first for the sake of CPUs that wait for its old value, and widens the result.
 */
static inline unsigned long arch_lowest_bit(uint64_t word)
{
	unsigned long bit;

	asm("bsf %1, %0" : "=r"(bit) : "r"(word) : "cc");
	return bit;
}

/* Lets a sibling hyperthread, or an emulator's other CPUs, run. Any context. */
static inline void cpu_relax(void)
{
	asm volatile("pause" : : : "memory");
}

/*
 * Halts until an interrupt, with interrupts on while halted and off on return.
 * STI holds interrupts off for one more instruction, so that one which arrived
 * since the caller's last check ends the HLT at once (SDM vol. 2, STI).
 */
static inline void cpu_halt_until_interrupt(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

/*
 * Resting until a line of memory is written to: MONITOR, a last look, then MWAIT, which
 * a store since the MONITOR ends, or an interrupt (SDM vol. 2, MWAIT). Interrupts off, on
 * while it rests, and off again.
 */
static inline void cpu_monitor(const void *address)
{
	asm volatile("monitor" : : "a"(address), "c"(0), "d"(0) : "memory");
}

static inline void cpu_mwait_until_interrupt(void)
{
	asm volatile("sti; mwait; cli" : : "a"(0), "c"(0) : "memory");
}

/* Whether the CPU has them, and they wake up as they should. Any context. */
bool cpu_has_monitor(void);

/* Stops this CPU for good; an NMI or SMI does not wake it up. Never returns. */
static inline void __attribute__((noreturn)) cpu_park(void)
{
	for (;;)
		asm volatile("cli; hlt" : : : "memory");
}

/* The model, e.g. "QEMU TCG CPU version 2.5+"; static storage. */
const char *cpu_model(void);
/* The hypervisor's name as CPUID gives it, or NULL on bare metal. */
const char *cpu_hypervisor(void);
/* Whether there is one. */
bool cpu_is_virtual(void);

/* Switches to a new stack and calls next() on it. Does not return. */
void __attribute__((noreturn)) cpu_switch_stack(void *stack_top, void (*next)(void));

#endif

/* What a CPU can do and what is switched on. On the CPU in question. */
#ifndef X86_CPU_FEATURES_H
#define X86_CPU_FEATURES_H

#include <stdint.h>

struct cpu;

/* Turns on SMEP, SMAP and UMIP where they are; on every CPU, interrupts off. */
void cpu_features_init(void);

/* The microcode's revision. */
uint32_t cpu_microcode(void);

/* Reads the topology and the microcode's revision into cpu->arch. */
void cpu_identify(struct cpu *cpu);

/* The hypervisor's CPUID leaf 0x40000000 + n, all zero if there is none. */
struct cpuid hypervisor_leaf(uint32_t n);

#endif

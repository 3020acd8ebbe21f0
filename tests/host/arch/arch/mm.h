/*
 * The contract of arch/x86_64/include/arch/mm.h kept by a program, as far as address spaces need
 * it: physical memory is one piece of the program's.
 */
#ifndef ARCH_MM_H
#define ARCH_MM_H

#include <arch/page.h>
#include <stdint.h>

#define HOST_MEMORY (64ul << 20)

#define DIRECT_MAP 0xffff800000000000ul
#define VMAP_START 0xffffc08000000000ul
#define VMAP_END   0xffffc10000000000ul

extern char *host_memory;

static inline void *phys_to_virt(uint64_t phys)
{
	return host_memory + phys;
}

static inline uint64_t virt_to_phys(const void *virt)
{
	return (uint64_t)((const char *)virt - host_memory);
}

#endif

/*
 * Whether this is a debug build (make DEBUG=1): checks that cost something on every lock
 * are then compiled in. The compiler drops what stands behind a constant false.
 */
#ifndef KERNEL_DEBUG_CHECKS_H
#define KERNEL_DEBUG_CHECKS_H

#include <stdbool.h>
#include <stdint.h>

#ifndef DEBUG_BUILD
#define DEBUG_BUILD 0
#endif

static const bool debug_build = DEBUG_BUILD;

/*
 * What a call's function counted and left would hold preemption off, or let it in, for who was
 * interrupted: it is told, and taken back. Debug builds, on the CPU that ran it.
 */
void function_left_uneven(uint64_t func, uint32_t found);

#endif

/*
 * Whether this is a debug build (make DEBUG=1): checks that cost something on every lock
 * are then compiled in. The compiler drops what stands behind a constant false.
 */
#ifndef KERNEL_DEBUG_CHECKS_H
#define KERNEL_DEBUG_CHECKS_H

#include <stdbool.h>

#ifndef DEBUG_BUILD
#define DEBUG_BUILD 0
#endif

static const bool debug_build = DEBUG_BUILD;

#endif

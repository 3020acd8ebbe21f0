/*
 * Frames that the kernel sees in a row for a while, in its own half: on all CPUs.
 */
#ifndef KERNEL_MM_VMAP_H
#define KERNEL_MM_VMAP_H

#include <arch/mm.h>
#include <stdint.h>

#define VMAP_PAGES 16384 /* in all; between any two areas is one that is never mapped */

/*
 * Maps count frames in their order at an address that it chooses, in *virt, and takes a reference
 * to each. flags as aspace_map. 0, -EINVAL for no frames or bad flags, -ENOSPC if there is no
 * room, -ENOMEM, -EDEADLK. Thread context, interrupts on, like vunmap.
 */
int vmap(const uint64_t *frames, unsigned int count, enum map_flags flags, void **virt);

/*
 * Takes the area back that vmap gave; no CPU can use it when it returns. -EINVAL if there is none
 * that begins there.
 */
int vunmap(void *virt);

#endif

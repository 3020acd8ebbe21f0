/* What certain CPUs do wrong. */
#ifndef X86_ERRATA_H
#define X86_ERRATA_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether INVLPG may leave global pages while PCIDs are in use. With them off it does not. Boot,
 * after the traps are there.
 */
bool errata_invlpg_leaves_global(void);

/* The same of an Intel CPU of family 6, by model and microcode. */
bool errata_invlpg_leaves_global_on(unsigned int model, uint32_t microcode);

#endif

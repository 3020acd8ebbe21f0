/* The HPET (IA-PC HPET specification 1.0a §2.3): a clock, and a source of interrupts. */
#ifndef X86_HPET_H
#define X86_HPET_H

#include <stdbool.h>
#include <stdint.h>

/* Maps it. Boot CPU, thread context. Whether there is one that says how fast it counts. */
bool hpet_init(void);

/* Ticks a second; 0 while hpet_init has found none. */
uint64_t hpet_hz(void);

/* The main counter's lower half. */
uint64_t hpet_read(void);

/*
 * Interrupts IRQ 0 so many times a second, in the PIT's place; the counter starts anew. Returns 0
 * or -ENODEV. Interrupts off.
 */
int hpet_start_ticking(unsigned int hz);

#endif

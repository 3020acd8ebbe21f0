/* The HPET (IA-PC HPET specification 1.0a §2.3): a clock, and a source of interrupts. */
#ifndef X86_HPET_H
#define X86_HPET_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Maps it, and changes nothing. Boot CPU, thread context. Whether there is one that says how fast
 * it counts.
 */
bool hpet_init(void);

/* Lets it count; how many ticks a second. After hpet_init found it. */
uint64_t hpet_start_counting(void);

/* The main counter's lower half. */
uint64_t hpet_read(void);

/*
 * Interrupts IRQ 0 so many times a second, in the PIT's place; the counter starts anew. Returns 0
 * or -ENODEV. Interrupts off.
 */
int hpet_start_ticking(unsigned int hz);

/* Gives IRQ 0 back to the PIT, whoever took it. Interrupts off. */
void hpet_stop_ticking(void);

#endif

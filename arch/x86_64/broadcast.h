/*
 * Timers for CPUs whose own cannot be used: one of HPET or PIT interrupts one CPU again and
 * again, and that one passes it on to all whose time is over.
 */
#ifndef X86_BROADCAST_H
#define X86_BROADCAST_H

#include <lib/madt.h>
#include <stdint.h>

enum broadcast_source { BROADCAST_ANY, BROADCAST_HPET, BROADCAST_PIT };

/* Maps what it may need, and changes nothing there. Boot CPU, once. */
void broadcast_init(const struct madt *madt);

/*
 * One interrupt on LOCAL_TIMER_VECTOR on this CPU, ns from now, or up to two milliseconds
 * later. If the CPU that passes them on holds interrupts off it comes later still, and one
 * that is asked for meanwhile may come too early. That CPU is the one that asks first.
 * Interrupts off. Returns 0 or -ENODEV: the source does not interrupt.
 */
int broadcast_oneshot(uint64_t ns, enum broadcast_source wanted);

/* Takes it back. Interrupts off. */
void broadcast_stop(void);

#endif

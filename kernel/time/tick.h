/*
 * The local timer of each CPU, for its users: a tick that comes again and again and looks
 * for what is stuck; the scheduler's, while threads take turns; the first of the timers;
 * and, once, an interrupt that could not leave its thread. It is set for whichever is due
 * first.
 */
#ifndef KERNEL_TIME_TICK_H
#define KERNEL_TIME_TICK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A CPU's own; all in ns by its clock_ns. */
struct tick {
	uint64_t at;        /* when the next tick is due; 0: it does not tick */
	uint64_t slice_at;  /* when the scheduler's is; 0: it has none */
	uint64_t wake_at;   /* when somebody wants to be woken up; 0: nobody */
	uint64_t soon_at;   /* when an interrupt that did not leave its thread is to come again */
	uint64_t soon_ns;   /* how long that was put off */
	uint64_t soon_when; /* the number of schedules that it came to nothing after */
	_Atomic uint64_t last; /* when it ticked last, for others to see */
};

/* Gives the timer its handler. Boot CPU, before the others are started. */
void tick_init(void);

/*
 * func will be called on every CPU, interrupts off: at its tick; at its tick and at the
 * scheduler's; when the time that tick_wake_at set is over. Boot CPU, thread context; each
 * CPU's next tick is the first that calls it.
 */
enum tick_kind { TICK_WATCH, TICK_ANY, TICK_WAKE, TICK_KINDS };
void tick_add(enum tick_kind kind, void (*func)(void));

/*
 * Lets every online CPU tick, unless the boot word says tick=off. Returns 0 or
 * -ENODEV when there is no timer that can be used. Boot CPU, thread context.
 */
int tick_start(uint64_t period_ns);

/* Another period for all, from now on. Boot CPU, thread context. */
void tick_set_period(uint64_t period_ns);

/* What it is; 0 while nobody ticks. Any context. */
uint64_t tick_period_ns(void);

/*
 * No CPU ticks between these two, which may be nested: for what is measured. Boot
 * CPU, thread context.
 */
void tick_suspend(void);
void tick_resume(void);

/* Whether this CPU ticks. Interrupts off. */
bool tick_is_running(void);

/*
 * The scheduler's tick: func is called on this CPU every SLICE_NS until it returns
 * false. It is to be started only where and while there are ticks at all; whether it
 * was. Interrupts off.
 */
#define SLICE_NS 5000000ull
void tick_set_slicer(bool (*func)(void));
bool tick_start_slices(void);

/*
 * One interrupt of the timer as soon as it can without holding up what runs, also where nothing
 * ticks: for what its exit does. Interrupts off. Returns 0 or -ENODEV.
 */
int tick_come_soon(void);

/*
 * An interrupt on this CPU at that time, by its clock_ns; 0: none any more. Interrupts
 * off. Returns 0 or -ENODEV.
 */
int tick_wake_at(uint64_t ns);

#endif

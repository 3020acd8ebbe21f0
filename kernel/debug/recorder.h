/*
 * The flight recorder: the last IPI events of each CPU, to be read after something
 * went wrong. Off unless torture or the boot word recorder=on turns it on.
 *
 * The path of a call has no instruction for it. What a CPU takes is recorded by
 * gates that stand in place of the IPIs' own while it is on: the vector, what it
 * interrupted, and which calls then waited in the queue. What a CPU sends is
 * recorded by the callers that want it: torture does.
 */
#ifndef KERNEL_DEBUG_RECORDER_H
#define KERNEL_DEBUG_RECORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RECORDER_EVENTS 256    /* kept for each CPU */
#define RECORDER_MANY   0xffff /* as a peer: more than one CPU */
#define RECORDER_NOBODY 0xfffe /* a descriptor that does not say who queued it */

enum recorder_kind {
	RECORDED_CALL,   /* is about to call peer: where is the function, call its info */
	RECORDED_SENT,   /* sent value IPIs in that call; vector 0: of several kinds */
	RECORDED_SIGNAL, /* is about to nudge peer without a call, by the function where */
	RECORDED_RETURN, /* the call returned value; a waited one's descriptor is free again */
	RECORDED_TAKEN,  /* took a vector; where it was; value calls are in the queue */
	RECORDED_FOUND,  /* one of them: from peer, where is the function, call its info */
	RECORDED_BEGIN,  /* the function of a call from peer begins */
	RECORDED_END,    /* and ends */
};

/* Equal calls have equal numbers and functions: that is how causes are found. */
struct recorder_event {
	uint64_t tsc;
	uint64_t call, where;
	int32_t value;
	uint16_t peer;
	uint8_t kind, vector;
};

struct pt_regs;

extern atomic_bool recorder_running;

/* Writes one down; tsc is filled in. Any context, on this CPU. */
void recorder_write(struct recorder_event event);

/* The same, and nothing at all while the recorder is off. */
static inline void recorder_note(struct recorder_event event)
{
	if (atomic_load_explicit(&recorder_running, memory_order_relaxed))
		recorder_write(event);
}

/*
 * An interrupt is taken, and what the queue of calls holds then. On its CPU, in its handler. For
 * an IPI without a short entry, whose handler asks for it.
 */
void recorder_write_taken(const struct pt_regs *regs);

static inline void recorder_note_taken(const struct pt_regs *regs)
{
	if (atomic_load_explicit(&recorder_running, memory_order_relaxed))
		recorder_write_taken(regs);
}

/* What recorder= says: whether torture should have it, or it should run from boot. */
bool recorder_wanted_for_torture(void);
bool recorder_wanted_from_boot(void);

/*
 * Turns it on if it should run from boot; then a stall prints it, too. Boot CPU, after the
 * others were started.
 */
void recorder_boot(void);

/* Boot CPU, thread context. Returns 0 or -ENOMEM. */
int recorder_start(void);

/* Forgets all. The IPIs have their own gates again. Boot CPU, thread context. */
void recorder_stop(void);

/* From now on nothing is written any more: what is there will be printed. Any context. */
void recorder_freeze(void);

/* What a run's end prints at most: all events of 64 CPUs. */
#define RECORDER_LINES 16384

/*
 * Freezes it and prints the newest events of all CPUs, at most so many, causes before effects;
 * nothing if it is off or was printed before. Any context.
 */
void recorder_print(unsigned int lines);

/* For the printing: the events of a CPU, oldest first, and how many; 0 if it has none. */
unsigned int recorder_count(unsigned int cpu);
const struct recorder_event *recorder_event(unsigned int cpu, unsigned int index);

#endif

/*
 * What a CPU was doing at one moment. It tells so itself, from an NMI or from the
 * interrupt that stops it, into its own struct cpu; others read it when it said that
 * it is complete.
 */
#ifndef KERNEL_SMP_SNAPSHOT_H
#define KERNEL_SMP_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_DEPTH 12

struct pt_regs;

struct snapshot {
	uint64_t trace[SNAPSHOT_DEPTH]; /* where it was, then its callers */
	uint64_t taken_ns;              /* by its own clock_ns */
	uint64_t tick_late_ns;          /* how long its tick is overdue; 0: it is not */
	uint32_t pending, in_service;   /* IPIs, as arch_ipi_state tells them */
	uint32_t depth;                 /* of the trace */
	uint32_t returns;               /* bit i: trace[i] is where a call returns to */
	bool irqs_off, halted;
};

/*
 * Of this CPU, at the place that regs interrupted. NMI or interrupt context; never
 * faults and takes no lock.
 */
void snapshot_take(struct snapshot *snapshot, const struct pt_regs *regs);

/* Of this CPU as it is, but for the function whose frame this is. Any context. */
void snapshot_take_here(struct snapshot *snapshot, const void *frame);

/* Writes trace[i] as a function and an offset. Any context. */
void snapshot_format_place(const struct snapshot *snapshot, uint32_t i, char *text, size_t size);

/*
 * Writes the trace from an address on, a line for each, as many whole lines as fit.
 * Returns the length. Any context.
 */
size_t snapshot_format_trace(const struct snapshot *snapshot, uint32_t from, char *text,
			     size_t size);

/* Writes "interrupts off for at least 41 ms" and the like. Any context. Returns text. */
const char *snapshot_format_irqs(const struct snapshot *snapshot, char *text, size_t size);

#endif

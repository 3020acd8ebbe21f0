/*
 * Prints the flight recorder: the rings of all CPUs merged into one list.
 *
 * Each ring is in the order of its CPU. Between two rings the TSC decides, save
 * that a call comes before the CPU that was called found or ran it: TSCs may
 * differ from CPU to CPU, cause and effect may not.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/time.h>
#include <kernel/console/printk.h>
#include <kernel/debug/recorder.h>
#include <kernel/debug/symbols.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/stall.h>
#include <lib/printf.h>
#include <stddef.h>

/* A stall is reported with interrupts off, and the machine goes on: some seconds of a serial line. */
#define STALL_LINES 2048

static uint16_t cursors[MAX_CPUS];

static const struct recorder_event *head(unsigned int cpu)
{
	return cursors[cpu] < recorder_count(cpu) ? recorder_event(cpu, cursors[cpu]) : NULL;
}

static bool is_cause(const struct recorder_event *event, const struct recorder_event *effect,
		     unsigned int target)
{
	return event->kind == RECORDED_CALL && event->call == effect->call &&
	       event->where == effect->where &&
	       (event->peer == target || event->peer == RECORDER_MANY);
}

/* Whether the call that led to the event is still to be printed. */
static bool must_wait(const struct recorder_event *event, unsigned int cpu)
{
	unsigned int from = event->peer;

	if ((event->kind != RECORDED_FOUND && event->kind != RECORDED_BEGIN) || from == cpu ||
	    from >= nr_cpus)
		return false;
	for (unsigned int i = cursors[from]; i < recorder_count(from); i++) {
		if (is_cause(recorder_event(from, i), event, cpu))
			return true;
	}
	return false;
}

/* The CPU whose event is next; MAX_CPUS when all are printed. */
static unsigned int next_cpu(bool obey_causes)
{
	const struct recorder_event *first = NULL;
	unsigned int chosen = MAX_CPUS;

	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		const struct recorder_event *event = head(cpu);

		if (!event || (first && (int64_t)(event->tsc - first->tsc) >= 0))
			continue;
		if (obey_causes && must_wait(event, cpu))
			continue;
		first = event;
		chosen = cpu;
	}
	if (chosen == MAX_CPUS && obey_causes)
		return next_cpu(false); /* a number that was used twice */
	return chosen;
}

static const char *vector_name(unsigned int vector)
{
	switch (vector) {
	case CALL_FUNCTION_SINGLE_VECTOR:
		return "CALL_FUNCTION_SINGLE";
	case CALL_FUNCTION_VECTOR:
		return "CALL_FUNCTION";
	case RESCHEDULE_VECTOR:
		return "RESCHEDULE";
	case TLB_FLUSH_VECTOR:
		return "TLB_FLUSH";
	case IRQ_WORK_VECTOR:
		return "IRQ_WORK";
	default:
		return "IPI";
	}
}

/* "to 3", "from many": whom the event is about. */
static void peer_format(const struct recorder_event *event, char *text, size_t size)
{
	const char *arrow = event->kind <= RECORDED_RETURN ? "to" : "from";

	if (event->peer == RECORDER_MANY)
		snprintf(text, size, "%s many", arrow);
	else if (event->peer == RECORDER_NOBODY)
		snprintf(text, size, "%s whom it does not say", arrow);
	else
		snprintf(text, size, "%s %u", arrow, event->peer);
}

static void call_format(const struct recorder_event *event, char *text, size_t size)
{
	static const char *const verbs[] = {
		[RECORDED_CALL] = "calls",  [RECORDED_RETURN] = "has called",
		[RECORDED_FOUND] = "finds", [RECORDED_BEGIN] = "runs",
		[RECORDED_END] = "has run",
	};
	uint64_t offset;
	const char *function = symbol_find(event->where, &offset);
	char peer[32];
	int used;

	peer_format(event, peer, sizeof(peer));
	used = snprintf(text, size, "%s %s(%#lx) %s", verbs[event->kind],
			function ? function : "nothing", event->call, peer);
	if (event->kind == RECORDED_RETURN && (size_t)used < size)
		snprintf(text + used, size - (size_t)used, ": %d", event->value);
}

static void what_format(const struct recorder_event *event, char *text, size_t size)
{
	uint64_t offset = 0;
	const char *place, *vector = vector_name(event->vector);
	char peer[32];

	switch (event->kind) {
	case RECORDED_TAKEN:
		place = symbol_find(event->where, &offset);
		snprintf(text, size, "takes %s in %s+%#lx, %d in its queue", vector,
			 place ? place : "?", offset, event->value);
		return;
	case RECORDED_SIGNAL:
		place = symbol_find(event->where, &offset);
		peer_format(event, peer, sizeof(peer));
		snprintf(text, size, "signals %s by %s", peer, place ? place : "?");
		return;
	case RECORDED_SENT:
		peer_format(event, peer, sizeof(peer));
		snprintf(text, size, "sent %d × %s %s", event->value, vector, peer);
		return;
	default:
		call_format(event, text, size);
	}
}

static void print_event(const struct recorder_event *event, unsigned int cpu)
{
	uint64_t ns = cycles_to_ns(event->tsc);
	char text[200];

	what_format(event, text, sizeof(text));
	printk("#  %lu.%09lu  CPU %u  %s\n", ns / 1000000000, ns % 1000000000, cpu, text);
}

static unsigned int count_all(void)
{
	unsigned int count = 0;

	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		count += recorder_count(cpu);
	return count;
}

void recorder_print(unsigned int lines)
{
	static atomic_flag printed = ATOMIC_FLAG_INIT;
	unsigned int left, cpu;

	recorder_freeze();
	left = count_all();
	if (!left || atomic_flag_test_and_set_explicit(&printed, memory_order_relaxed))
		return;
	printk("# Last IPI events of all CPUs, newest last%s:\n",
	       left > lines ? " (the older ones are left out)" : "");
	while ((cpu = next_cpu(true)) < MAX_CPUS) {
		if (left-- <= lines)
			print_event(head(cpu), cpu);
		cursors[cpu]++;
	}
}

static void on_stall(unsigned int cpu)
{
	(void)cpu;
	recorder_print(STALL_LINES);
}

void recorder_boot(void)
{
	if (!recorder_wanted_from_boot())
		return;
	if (recorder_start())
		printk("# recorder: not enough memory, it stays off\n");
	else
		stall_set_hook(on_stall);
}

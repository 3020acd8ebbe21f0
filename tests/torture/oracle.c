/*
 * The function that all calls run. It checks, on the CPU where it finds itself, that
 * it may be here, now, for the first time, after all that was called before, and
 * with what the caller wrote in sight.
 */
#include "torture.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/debug/recorder.h>
#include <kernel/smp/call.h>
#include <kernel/smp/reschedule.h>
#include <lib/errno.h>

static void note(enum recorder_kind kind, const struct call *call, void *name)
{
	recorder_note((struct recorder_event){ .kind = (uint8_t)kind,
					       .peer = call->by,
					       .call = (uint64_t)name,
					       .where = (uint64_t)torture_function });
}

/* A record that is used for a later call, or is still as an earlier one left it. */
static bool is_its_record(const struct call *call, void *name)
{
	uint32_t now = atomic_load_explicit(&call->record->generation, memory_order_relaxed);
	uint32_t named = torture_name_generation(name);

	if (now == named)
		return true;
	if ((int32_t)(now - named) > 0)
		torture_broken(RULE_EXACTLY_ONCE, NULL,
			       "call %#lx of CPU %u ran here after it had ended", (uint64_t)name,
			       call->record->sender);
	else
		torture_broken(RULE_VISIBLE_THERE, NULL,
			       "call %#lx of CPU %u ran here before its record could be seen",
			       (uint64_t)name, call->record->sender);
	return false;
}

/* The next of its sender and context, and none missing that came before from the other. */
static void check_order(const struct call *call, const struct entry *entry, struct sender *here)
{
	uint32_t *seen = &here->seen[call->inside][call->by];
	uint32_t others = here->seen[!call->inside][call->by];

	if (entry->sequence == SEQUENCE_SELF)
		return;
	if (entry->sequence != *seen + 1 && !(call->again && entry->sequence == *seen))
		torture_broken(RULE_ORDER, call, "it is number %u to this CPU, the last was %u",
			       entry->sequence, *seen);
	if ((int32_t)(others - entry->others) < 0)
		torture_broken(RULE_ORDER, call, "%u calls made %s came before, %u have run",
			       entry->others, call->inside ? "by a thread" : "inside functions",
			       others);
	*seen = entry->sequence;
}

static void check_arrival(const struct call *call, void *name, struct sender *here)
{
	const struct entry *entry = torture_entry(call, here->cpu);
	unsigned int runs = atomic_load_explicit(&entry->runs, memory_order_relaxed);

	if (!irqs_disabled())
		torture_broken(RULE_INTERRUPTS, call, "it runs with interrupts on");
	if (call->in != torture_in(name))
		torture_broken(RULE_VISIBLE_THERE, call, "what its caller wrote is not seen: %#x",
			       call->in);
	if (runs > call->again)
		torture_broken(RULE_EXACTLY_ONCE, call, "it has run here %u times before", runs);
	check_order(call, entry, here);
}

static void delay(uint32_t ns)
{
	uint64_t start = cycles(), ticks = ns_to_cycles(ns);

	while (cycles() - start < ticks)
		cpu_relax();
}

struct dive {
	unsigned int depth;
	int error;
};

static void dive_deeper(void *info)
{
	struct dive *dive = info;
	int error;

	dive->depth++;
	error = smp_call_function_single(this_cpu->index, dive_deeper, info, true);
	if (error)
		dive->error = error;
}

/* Calls to oneself without end: as many as may be nested, then -ELOOP. */
static void dive_to_the_end(const struct call *call)
{
	unsigned int left = SELF_CALL_DEPTH - this_cpu->self_calls;
	struct dive dive = { 0 };
	int error = smp_call_function_single(this_cpu->index, dive_deeper, &dive, true);

	if (error)
		dive.error = error;
	if (dive.depth != left || dive.error != -ELOOP)
		torture_broken(RULE_ERRORS, call,
			       "%u of %u calls to oneself were made, then came %d", dive.depth,
			       left, dive.error);
}

static void act(struct call *call, struct sender *here)
{
	struct record *record = call->record;

	if (call->delay_ns)
		delay(call->delay_ns);
	if (call->inside || record->inner_on != here->cpu)
		return;
	if (call->deep)
		dive_to_the_end(call);
	if (record->calls[INNER].mode)
		torture_make(&record->calls[INNER]);
}

void torture_function(void *name)
{
	struct sender *here = torture_senders[this_cpu->index];
	struct call *call = torture_named(name);
	struct entry *entry;
	unsigned int by;
	bool wakes;

	if (!call) {
		torture_broken(RULE_VISIBLE_THERE, NULL, "nobody made a call %#lx", (uint64_t)name);
		return;
	}
	if (!is_its_record(call, name))
		return;
	note(RECORDED_BEGIN, call, name);
	if (!here || !torture_expects(call, here->cpu)) {
		torture_broken(RULE_NOWHERE_ELSE, call, "it ran here, where nobody sent it");
		return;
	}
	check_arrival(call, name, here);
	here->counts[FROM_FUNCTION].ran++;
	act(call, here);
	by = call->by;
	wakes = call->mode->reply && !call->inside;
	entry = torture_entry(call, here->cpu);
	entry->out = torture_out(name, here->cpu);
	note(RECORDED_END, call, name);
	/* Release: who finds that it ran sees all of the above. */
	atomic_fetch_add_explicit(&entry->runs, 1, memory_order_release);
	if (wakes)
		smp_send_reschedule(by);
}

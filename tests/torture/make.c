/*
 * Makes a call: foretells from the rules which CPUs must run it or how it must be
 * refused, writes that down where the function can read it, calls, and judges the
 * answer.
 */
#include "torture.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/machine.h>
#include <kernel/debug/recorder.h>
#include <kernel/smp/call.h>
#include <lib/errno.h>
#include <lib/string.h>

/* What must come of a call. */
struct forecast {
	int error;             /* 0: it runs on all of chosen, and nowhere else */
	struct cpumask chosen; /* online, and named by the call */
	unsigned int count, others;
};

/* The nearest online one; of equals the lowest. MAX_CPUS for none. */
static unsigned int nearest(const struct cpumask *mask, unsigned int me)
{
	unsigned int chosen = MAX_CPUS, distance = UINT32_MAX;

	for_each_cpu(cpu, mask) {
		if (!cpu_online(cpu) || arch_cpu_distance(me, cpu) >= distance)
			continue;
		chosen = cpu;
		distance = arch_cpu_distance(me, cpu);
	}
	return chosen;
}

static int choose_one(struct forecast *forecast, unsigned int cpu)
{
	if (cpu >= nr_cpus)
		return -EINVAL;
	if (!cpu_online(cpu))
		return -ENXIO;
	cpumask_set(&forecast->chosen, cpu);
	return 0;
}

static void choose_many(struct forecast *forecast, const struct call *call)
{
	bool everyone = call->mode->shape == SHAPE_ALL || call->no_mask;

	for (unsigned int i = 0; i < CPUMASK_WORDS; i++) {
		uint64_t word = cpumask_word(&torture_online, i);

		cpumask_set_word(&forecast->chosen, i,
				 everyone ? word : word & cpumask_word(call->mask, i));
	}
	if (!call->mode->self)
		cpumask_clear(&forecast->chosen, call->by);
}

static void drop_unwanted(struct forecast *forecast, const struct call *call)
{
	void *name = torture_name(call);

	for_each_cpu(cpu, &forecast->chosen) {
		if (!torture_wanted(name, cpu))
			cpumask_clear(&forecast->chosen, cpu);
	}
}

static int choose(struct forecast *forecast, const struct call *call)
{
	unsigned int cpu = call->target;

	switch (call->mode->shape) {
	case SHAPE_ANY:
		cpu = nearest(call->mask, call->by);
		return cpu == MAX_CPUS ? -ENXIO : choose_one(forecast, cpu);
	case SHAPE_ONE:
		return choose_one(forecast, cpu);
	case SHAPE_COND:
		choose_many(forecast, call);
		drop_unwanted(forecast, call);
		return 0;
	default:
		choose_many(forecast, call);
		return 0;
	}
}

static void foretell(struct forecast *forecast, const struct call *call)
{
	memset(forecast, 0, sizeof(*forecast));
	forecast->error = call->function ? choose(forecast, call) : -EINVAL;
	forecast->count = cpumask_weight(&forecast->chosen);
	forecast->others = forecast->count - cpumask_test(&forecast->chosen, call->by);
	if (forecast->others && call->mode->wait && call->irqs_off)
		forecast->error = -EDEADLK;
}

/* Tells the function what it may expect, before it can run. */
static void expect(const struct call *call, const struct forecast *forecast)
{
	const struct sender *sender = torture_senders[call->by];
	uint32_t *accepted = sender->accepted[call->inside];
	uint32_t *others = sender->accepted[!call->inside];

	for_each_cpu(cpu, &forecast->chosen) {
		struct entry *entry = torture_entry(call, cpu);

		entry->sequence = cpu == call->by ? SEQUENCE_SELF : accepted[cpu] + 1;
		entry->others = others[cpu];
	}
}

/* Refused: if the function runs after all, it finds that nobody expects it. */
static void withdraw(const struct call *call, const struct forecast *forecast)
{
	for_each_cpu(cpu, &forecast->chosen) {
		struct entry *entry = torture_entry(call, cpu);

		if (atomic_load_explicit(&entry->runs, memory_order_relaxed))
			torture_broken(RULE_ERRORS, call, "CPU %u ran it, but it was refused", cpu);
		entry->sequence = 0;
	}
}

static void count_accepted(const struct call *call, const struct forecast *forecast)
{
	struct sender *sender = torture_senders[call->by];

	for_each_cpu(cpu, &forecast->chosen)
		sender->accepted[call->inside][cpu]++;
}

static void check_asked(const struct call *call)
{
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		bool member = call->no_mask || cpumask_test(call->mask, cpu);
		unsigned int asked = torture_entry(call, cpu)->asked;

		if (asked != (call->function && member && cpu_online(cpu)))
			torture_broken(RULE_CONDITIONS, call, "asked %u times about CPU %u", asked,
				       cpu);
	}
}

/* A waited call that returned: all is done, and can be seen without any other order. */
static void check_waited(const struct call *call, const struct forecast *forecast)
{
	for_each_cpu(cpu, &forecast->chosen) {
		const struct entry *entry = torture_entry(call, cpu);

		if (!atomic_load_explicit(&entry->runs, memory_order_relaxed))
			torture_broken(RULE_WAITS, call, "returned before CPU %u had run it", cpu);
		else if (entry->out != torture_out(torture_name(call), cpu))
			torture_broken(RULE_VISIBLE_BACK, call,
				       "what CPU %u wrote is not seen: %#x", cpu, entry->out);
	}
}

static void note(enum recorder_kind kind, const struct call *call, int value)
{
	recorder_note((struct recorder_event){
		.kind = (uint8_t)kind,
		.peer = call->mode->shape == SHAPE_ONE ? (uint16_t)call->target : RECORDER_MANY,
		.call = (uint64_t)torture_name(call),
		.where = (uint64_t)call->function,
		.value = value });
}

/*
 * The IPIs that this call sent are those of this CPU meanwhile, less those of calls
 * that functions made here meanwhile and that were noted by themselves.
 */
static int made_and_noted(const struct call *call)
{
	struct sender *sender = torture_senders[call->by];
	const uint64_t *sent = cpus[call->by]->ipi_sent;
	uint64_t before = sent[CALL_FUNCTION_SINGLE_VECTOR] + sent[CALL_FUNCTION_VECTOR];
	uint64_t noted = sender->ipis_noted;
	int error;

	note(RECORDED_CALL, call, 0);
	error = call->mode->make(call, torture_name(call));
	before = sent[CALL_FUNCTION_SINGLE_VECTOR] + sent[CALL_FUNCTION_VECTOR] - before;
	before -= sender->ipis_noted - noted;
	sender->ipis_noted += before;
	if (before)
		note(RECORDED_SENT, call, (int)before);
	note(RECORDED_RETURN, call, error);
	return error;
}

/*
 * The same descriptor at once again: busy, or free since the function began; free for
 * certain once it ended. What is queued then is the same call once more.
 */
static void make_again(struct call *call, const struct forecast *forecast)
{
	struct entry *entry = torture_entry(call, call->target);
	struct counts *counts = &torture_senders[call->by]->counts[call->inside];
	bool ran = atomic_load_explicit(&entry->runs, memory_order_acquire);
	int error = smp_call_function_single_async(call->target, &call->record->csd);

	if (error && (error != -EBUSY || ran || !forecast->others))
		torture_broken(RULE_ERRORS, call, "handed in again: %d, the first had %s", error,
			       ran ? "run" : "not run yet");
	counts->named++;
	counts->refused += error != 0;
	counts->queued += !error && forecast->others;
	call->extra = !error;
}

static void judge(struct call *call, const struct forecast *forecast, int error)
{
	struct counts *counts = &torture_senders[call->by]->counts[call->inside];
	unsigned int named = forecast->count ? forecast->count : forecast->error != 0;
	bool dry = error == -EAGAIN && call->mode->pool && forecast->others && !forecast->error;

	if (error != forecast->error && !dry)
		torture_broken(RULE_ERRORS, call, "returned %d, must return %d", error,
			       forecast->error);
	counts->named += named;
	counts->exhausted += error == -EAGAIN;
	counts->offline += error == -ENXIO && call->mode->shape == SHAPE_ONE;
	if (error) {
		counts->refused += named;
		return;
	}
	counts->queued += forecast->others;
	counts->ran += call->mode->silent ? named : 0;
}

static void make_checked(struct call *call)
{
	struct forecast forecast;
	int error;

	foretell(&forecast, call);
	call->made = !forecast.error && !call->mode->silent;
	if (call->made)
		expect(call, &forecast);
	error = made_and_noted(call);
	judge(call, &forecast, error);
	if (call->mode->shape == SHAPE_COND)
		check_asked(call);
	if (!call->made)
		return;
	if (error) {
		call->made = false;
		withdraw(call, &forecast);
		return;
	}
	count_accepted(call, &forecast);
	if (call->mode->wait)
		check_waited(call, &forecast);
	if (call->again)
		make_again(call, &forecast);
}

static void make_signal(struct call *call)
{
	recorder_note((struct recorder_event){ .kind = RECORDED_SIGNAL,
					       .peer = (uint16_t)call->target,
					       .where = (uint64_t)call->mode->make });
	call->mode->make(call, NULL);
}

void torture_make(struct call *call)
{
	if (call->irqs_off)
		irq_disable();
	if (call->mode->signal)
		make_signal(call);
	else
		make_checked(call);
	if (irqs_disabled() != call->irqs_off)
		torture_broken(RULE_INTERRUPTS, call, "returned with interrupts %s",
			       call->irqs_off ? "on" : "off");
	if (call->irqs_off && !call->inside)
		irq_enable();
}

/*
 * Waits until all that a record was used for is over, and looks at what came of it.
 */
#include "torture.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/time.h>

static bool in_time(uint64_t start)
{
	return (int64_t)(clock_ns() - start) < (int64_t)torture_patience_ns();
}

static unsigned int runs_of(const struct call *call, unsigned int cpu)
{
	return atomic_load_explicit(&torture_entry(call, cpu)->runs, memory_order_acquire);
}

/* Acquire: pairs with the release in torture_function. */
static void settle_entry(const struct call *call, unsigned int cpu)
{
	unsigned int wanted = 1 + call->extra;
	uint64_t start = clock_ns();

	while (runs_of(call, cpu) < wanted && in_time(start))
		cpu_relax();
	if (runs_of(call, cpu) != wanted)
		torture_broken(RULE_EXACTLY_ONCE, call, "CPU %u ran it %u times, must be %u", cpu,
			       runs_of(call, cpu), wanted);
	else if (torture_entry(call, cpu)->out != torture_out(torture_name(call), cpu))
		torture_broken(RULE_VISIBLE_BACK, call, "what CPU %u wrote is not seen", cpu);
}

static void settle_call(struct call *call)
{
	unsigned int first = call->wide ? 0 : call->target;
	unsigned int end = call->wide ? nr_cpus : call->target + 1;

	if (!call->made)
		return;
	for (unsigned int cpu = first; cpu < end; cpu++) {
		if (torture_expects(call, cpu))
			settle_entry(call, cpu);
	}
	call->made = false;
}

/* The inner call is made by a function of the outer one: it is there when that ended. */
void torture_settle(struct record *record)
{
	settle_call(&record->calls[OUTER]);
	settle_call(&record->calls[INNER]);
	if (atomic_load_explicit(&record->csd.state, memory_order_acquire) != CSD_FREE)
		torture_broken(RULE_QUIET, &record->calls[OUTER],
			       "all is over, but its descriptor is not free");
}

static uint64_t reschedules(unsigned int cpu)
{
	return *(volatile uint64_t *)&cpus[cpu]->irq_count[RESCHEDULE_VECTOR];
}

/*
 * One at a time is watched; another is only when that one has come. Counted before it
 * is sent: what comes after that is this one, or merged with it.
 */
void torture_watch_reschedule(struct sender *sender, unsigned int cpu)
{
	if (sender->rescheduled != MAX_CPUS &&
	    reschedules(sender->rescheduled) == sender->reschedules_before)
		return;
	sender->rescheduled = cpu;
	sender->reschedules_before = reschedules(cpu);
}

void torture_settle_reschedule(struct sender *sender)
{
	uint64_t start = clock_ns();

	if (sender->rescheduled == MAX_CPUS)
		return;
	while (reschedules(sender->rescheduled) == sender->reschedules_before && in_time(start))
		cpu_relax();
	if (reschedules(sender->rescheduled) == sender->reschedules_before)
		torture_broken(RULE_RESCHEDULE, NULL, "RESCHEDULE never came to CPU %u",
			       sender->rescheduled);
	sender->rescheduled = MAX_CPUS;
}

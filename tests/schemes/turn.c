/*
 * Turns that take long. Whoever waits past the deadline says for whom, and what that
 * CPU does, as its NMI tells; and goes on.
 */
#include <arch/ipi.h>
#include <arch/time.h>
#include <kernel/console/printk.h>
#include <kernel/debug/symbols.h>
#include <kernel/smp/nmi.h>
#include <kernel/smp/patience.h>
#include <kernel/smp/stall.h>
#include <kernel/smp/waiting.h>
#include <lib/age.h>
#include <lib/errno.h>
#include <tests/schemes/turn.h>

static const char *place_of_ipi(const struct snapshot *snapshot)
{
	if (snapshot->pending & ipi_bit(EXAMPLE_VECTOR))
		return "pending (IRR)";
	return snapshot->in_service & ipi_bit(EXAMPLE_VECTOR) ? "in service (ISR)" :
								"absent (IRR and ISR)";
}

static void describe(unsigned int cpu)
{
	const struct snapshot *snapshot = cpu == this_cpu->index ? NULL : nmi_look(cpu);
	char symbol[80], irqs[64];

	if (!snapshot) {
		printk("  CPU %u did not answer the NMI\n", cpu);
		return;
	}
	snapshot_format_place(snapshot, 0, symbol, sizeof(symbol));
	printk("  on CPU %u the IPI is %s, %s, in %s\n", cpu, place_of_ipi(snapshot),
	       snapshot_format_irqs(snapshot, irqs, sizeof(irqs)), symbol);
}

/* Whether it was time to; one report at a time on the machine. */
static bool report(struct patience *patience, uint64_t now)
{
	if (!patience_over(patience, now))
		return false;
	if (nmi_try_begin())
		return true;
	patience_again(patience);
	return false;
}

static bool take_soon(struct turn *turn)
{
	for (unsigned int looks = TURN_FAST_LOOKS; looks; looks--) {
		uint32_t holder = atomic_load_explicit(&turn->holder, memory_order_relaxed);

		if (holder == TURN_FREE &&
		    atomic_compare_exchange_strong_explicit(&turn->holder, &holder,
							    this_cpu->index + 1,
							    memory_order_acquire,
							    memory_order_relaxed))
			return true;
		cpu_relax();
	}
	return false;
}

/* The holder reports for itself what it waits for. */
static void report_holder(uint32_t holder, uint64_t age_ns, const char *scheme)
{
	char age[AGE_TEXT];

	printk("STALL: CPU %u waits %s for its turn in %s, which CPU %u has\n", this_cpu->index,
	       age_format(age_ns, age, sizeof(age)), scheme, holder - 1);
	describe(holder - 1);
	nmi_end();
}

/* As long as turns change hands, somebody gets on, and nobody is blamed. */
bool turn_take_slowly(struct turn *turn, const char *scheme)
{
	struct patience patience = { 0 };
	uint32_t holder = TURN_FREE;

	while (!take_soon(turn)) {
		uint32_t now_holds = atomic_load_explicit(&turn->holder, memory_order_relaxed);
		uint64_t now = clock_ns();

		if (now_holds == TURN_CLOSED)
			return false;
		if (now_holds != holder)
			patience = patience_begin(now, stall_deadline_ns());
		else if (holder != TURN_FREE && report(&patience, now))
			report_holder(holder, now - patience.since, scheme);
		holder = now_holds;
	}
	return true;
}

static bool any_stopped(const struct cpumask *named)
{
	for_each_cpu(cpu, named) {
		if (atomic_load_explicit(&cpus[cpu]->stopped, memory_order_acquire))
			return true;
	}
	return false;
}

/* A counter does not tell who is missing: all that were called are described. */
static void report_called(const struct cpumask *named, smp_call_func_t func, uint64_t age_ns,
			  const char *scheme)
{
	unsigned int first = cpumask_next(named, 0);
	char age[AGE_TEXT], name[80];

	printk("STALL: CPU %u waits %s for %sCPU %u%s to run %s, called by %s\n", this_cpu->index,
	       age_format(age_ns, age, sizeof(age)),
	       cpumask_next(named, first + 1) < MAX_CPUS ? "one of " : "", first,
	       cpumask_next(named, first + 1) < MAX_CPUS ? " and others" : "",
	       symbol_name((uint64_t)func, name, sizeof(name)), scheme);
	for_each_cpu(cpu, named)
		describe(cpu);
	nmi_end();
}

static int wait_for_called(_Atomic uint32_t *word, uint32_t value, const struct cpumask *named,
			   smp_call_func_t func, const char *scheme)
{
	struct patience patience = patience_begin(clock_ns(), stall_deadline_ns());
	bool reported = false;

	while (atomic_load_explicit(word, memory_order_acquire) != value) {
		uint64_t now = clock_ns();

		if (report(&patience, now)) {
			report_called(named, func, now - patience.since, scheme);
			reported = true;
		}
		if (any_stopped(named))
			return -ETIMEDOUT;
		cpu_relax();
	}
	if (reported)
		printk("STALL over: all ran what CPU %u called by %s\n", this_cpu->index, scheme);
	return 0;
}

int turn_until_slowly(_Atomic uint32_t *word, uint32_t value, unsigned int cpu,
		      const struct cpumask *named, smp_call_func_t func, const char *scheme)
{
	struct cpumask alone = { 0 };
	int error;

	if (!named) {
		cpumask_set(&alone, cpu);
		named = &alone;
	}
	waiting_begin(cpumask_next(named, 0), (uint64_t)func);
	error = wait_for_called(word, value, named, func, scheme);
	waiting_end();
	return error;
}

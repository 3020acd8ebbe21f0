/*
 * A stop request is a flag in the target's struct cpu, raised before anything is
 * sent; who is stopped leaves a snapshot, goes offline, says so, and parks.
 *
 * High priority is this: no descriptor, no queue, no turn. A flag says the same if it
 * is raised twice, so IPIs may merge; and a CPU that runs no call any more, or keeps its
 * interrupts off, is stopped all the same. A call could be neither: it has a state of its
 * own, and its place behind others (call.h).
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/console/printk.h>
#include <kernel/debug/symbols.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/stop.h>
#include <kernel/smp/watch.h>
#include <lib/age.h>
#include <lib/printf.h>
#include <stdatomic.h>

#define NOBODY -1
#define LINE   256

static _Atomic int stopper = NOBODY;

static bool is_stopped(unsigned int cpu)
{
	return atomic_load_explicit(&cpus[cpu]->stopped, memory_order_acquire);
}

/* Release: who finds it stopped finds it offline, and its snapshot complete. */
static void __attribute__((noreturn)) park(enum stop_cause cause)
{
	struct cpu *cpu = this_cpu->self;

	cpu->stop_cause = cause;
	cpu_set_online(cpu->index, false);
	atomic_store_explicit(&cpu->stopped, true, memory_order_release);
	cpu_park();
}

void stop_this_cpu(const char *last_words)
{
	irq_disable();
	this_cpu->last_words = last_words;
	park(STOP_BY_ITSELF);
}

bool stop_on_nmi(const struct pt_regs *regs)
{
	struct cpu *cpu = this_cpu->self;

	if (!atomic_load_explicit(&cpu->stop_wanted, memory_order_acquire))
		return false;
	if (atomic_load_explicit(&cpu->stopped, memory_order_relaxed))
		cpu_park(); /* the NMI came after all */
	snapshot_take(&cpu->snapshot, regs);
	park(STOP_BY_NMI);
}

static void on_reboot(void)
{
	snapshot_take(&this_cpu->self->snapshot, this_cpu->irq_regs);
	park(STOP_BY_REBOOT);
}

void stop_init(void)
{
	irq_register(REBOOT_VECTOR, on_reboot);
}

/* Whether all that were asked stopped in time. */
static bool wait_for_stop(const struct cpumask *asked, uint64_t ns)
{
	uint64_t start = cycles(), limit = ns_to_cycles(ns);

	for_each_cpu(cpu, asked) {
		while (!is_stopped(cpu)) {
			if (cycles() - start > limit)
				return false;
			cpu_relax();
		}
	}
	return true;
}

static void send_reboot(const struct cpumask *asked)
{
	unsigned long flags = irq_save();

	this_cpu->ipi_sent[REBOOT_VECTOR] += cpumask_weight(asked);
	arch_send_ipi_mask(asked, REBOOT_VECTOR);
	irq_restore(flags);
}

static void stop_all(const struct cpumask *asked)
{
	send_reboot(asked);
	if (wait_for_stop(asked, STOP_REBOOT_NS))
		return;
	for_each_cpu(cpu, asked) {
		if (!is_stopped(cpu))
			arch_send_nmi(cpu);
	}
	wait_for_stop(asked, STOP_NMI_NS);
}

void smp_stop_cpus(const struct cpumask *mask)
{
	struct cpumask asked = { 0 };

	for_each_cpu(cpu, mask) {
		if (cpu == this_cpu->index || !cpu_online(cpu))
			continue;
		cpumask_set(&asked, cpu);
		/* Release: pairs with the acquire in stop_on_nmi. */
		atomic_store_explicit(&cpus[cpu]->stop_wanted, true, memory_order_release);
	}
	if (!cpumask_weight(&asked))
		return;
	stop_all(&asked);
	for_each_cpu(cpu, &asked) {
		if (is_stopped(cpu))
			watch_cancel(cpu);
	}
}

void smp_send_stop(void)
{
	int nobody = NOBODY, me = (int)this_cpu->index;

	if (!atomic_compare_exchange_strong_explicit(&stopper, &nobody, me, memory_order_relaxed,
						     memory_order_relaxed) &&
	    nobody != me)
		stop_this_cpu(NULL);
	smp_stop_cpus(&cpu_online_mask);
}

/* When it was stopped, both by its own clock; one that ran backwards says nothing. */
static const char *age_of(const struct cpu *cpu, uint64_t since, char *text)
{
	int64_t age = (int64_t)(cpu->snapshot.taken_ns - since);

	return age_format(age > 0 ? (uint64_t)age : 0, text, AGE_TEXT);
}

static void describe_wait(const struct cpu *cpu, const struct wait_seen *wait, char *line)
{
	char age[AGE_TEXT], text[WAIT_TEXT];

	snprintf(line, LINE, "waiting %s for CPU %u: %s", age_of(cpu, wait->since, age),
		 wait->target, waiting_describe(wait, text, sizeof(text)));
}

static void describe_place(const struct cpu *cpu, char *line)
{
	const struct snapshot *snapshot = &cpu->snapshot;
	char symbol[80], irqs[64];

	snapshot_format_place(snapshot, 0, symbol, sizeof(symbol));
	snprintf(line, LINE, "stopped by %s in %s, %s",
		 cpu->stop_cause == STOP_BY_NMI ? "NMI" : "REBOOT", symbol,
		 snapshot_format_irqs(snapshot, irqs, sizeof(irqs)));
}

static void describe(const struct cpu *cpu, char *line)
{
	uint64_t idle_since = atomic_load_explicit(&cpu->idle_since, memory_order_relaxed);
	struct wait_seen wait;
	char age[AGE_TEXT];

	if (!is_stopped(cpu->index))
		snprintf(line, LINE, "did not answer REBOOT and NMI");
	else if (cpu->stop_cause == STOP_BY_ITSELF)
		snprintf(line, LINE, "panicked, too: %s",
			 cpu->last_words ? cpu->last_words : "(no message)");
	else if (cpu->current == cpu->idle && cpu->snapshot.halted)
		snprintf(line, LINE, "idle, halted %s", age_of(cpu, clock_ns_at(idle_since), age));
	else if (waiting_look(cpu->index, &wait) && !cpu->snapshot.irqs_off)
		describe_wait(cpu, &wait, line);
	else
		describe_place(cpu, line);
}

static bool was_asked_or_stopped(unsigned int cpu)
{
	return is_stopped(cpu) ||
	       atomic_load_explicit(&cpus[cpu]->stop_wanted, memory_order_relaxed);
}

void stop_report(void)
{
	bool first = true;

	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		char line[LINE];

		if (cpu == this_cpu->index || !cpus[cpu] || !was_asked_or_stopped(cpu))
			continue;
		describe(cpus[cpu], line);
		printk("%s  CPU %u  %s\n", first ? "The others:\n" : "", cpu, line);
		first = false;
	}
}

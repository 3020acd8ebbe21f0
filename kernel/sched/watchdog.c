/*
 * Each CPU's tick looks whether schedule() has been due on its own CPU for too long, and
 * whether the next CPU still ticks; if that does not, also at the one behind it. What
 * is found is told with a backtrace: of oneself from the interrupted registers, of
 * another by NMI.
 *
 * Only what ticks have seen counts: a machine that stood still is not blamed.
 */
#include <arch/cpu.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/console/printk.h>
#include <kernel/sched/watchdog.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/nmi.h>
#include <kernel/smp/stall.h>
#include <lib/age.h>
#include <lib/printf.h>

#define LATE_TICKS 2 /* as many missed, and a CPU seems deaf */

/* More than the ticks could have missed is not counted. */
static uint64_t since_last_look(struct lockup *lockup)
{
	uint64_t now = clock_ns(), limit = LATE_TICKS * tick_period_ns();
	int64_t passed = (int64_t)(now - lockup->looked_at);

	lockup->looked_at = now;
	return passed < 0 ? 0 : (uint64_t)passed < limit ? (uint64_t)passed : limit;
}

static void begin_anew(struct lockup *lockup, uint64_t progress)
{
	lockup->progress = progress;
	lockup->age_ns = 0;
	lockup->patience = patience_begin(0, LOCKUP_DEADLINES * stall_deadline_ns());
	lockup->reported = false;
}

/* Whether it is time to report. */
static bool lasts_too_long(struct lockup *lockup, unsigned int cpu, const char *what, bool stuck,
			   uint64_t progress)
{
	uint64_t passed = since_last_look(lockup);

	if (!stuck || progress != lockup->progress || !lockup->patience.limit) {
		if (lockup->reported)
			printk("watchdog: CPU %u: %s lockup over\n", cpu, what);
		begin_anew(lockup, progress);
		return false;
	}
	lockup->age_ns += passed;
	return patience_over(&lockup->patience, lockup->age_ns);
}

static void look_at_self(struct cpu *cpu)
{
	struct lockup *lockup = &cpu->soft_lockup;
	char age[AGE_TEXT];

	if (!lasts_too_long(lockup, cpu->index, "soft", need_resched(), cpu->schedules))
		return;
	lockup->reported = true;
	printk("watchdog: CPU %u: soft lockup for %s\n  thread %u '%s' is to be left, preempt count "
	       "%#x\n",
	       cpu->index, age_format(lockup->age_ns, age, sizeof(age)), cpu->current->id,
	       cpu->current->name, preempt_count() & ~HARDIRQ_MASK);
	backtrace_print(cpu->irq_regs);
}

static uint64_t last_tick(const struct cpu *cpu)
{
	return atomic_load_explicit(&cpu->tick.last, memory_order_relaxed);
}

/* First what it does now, then the words: who hears them may be what it waits for. */
static bool report_hard(unsigned int cpu, const struct lockup *lockup)
{
	char text[PRINTK_MAX], age[AGE_TEXT], irqs[64];
	const struct snapshot *snapshot;
	size_t used;

	if (!nmi_try_begin())
		return false;
	snapshot = nmi_look(cpu);
	used = (size_t)snprintf(text, sizeof(text), "watchdog: CPU %u: hard lockup for %s, %s\n",
				cpu, age_format(lockup->age_ns, age, sizeof(age)),
				snapshot ? snapshot_format_irqs(snapshot, irqs, sizeof(irqs)) :
					   "no answer to the NMI");
	if (snapshot)
		used += snapshot_format_trace(snapshot, 0, text + used, sizeof(text) - used);
	printk_raw(text, used);
	nmi_end();
	return true;
}

/* If another CPU is looking at the same one, that is enough. */
static void look_at_other(struct cpu *cpu)
{
	struct lockup *lockup = &cpu->hard_lockup;

	if (!spin_trylock(&lockup->lock))
		return;
	/* One that never ticked is not to be blamed for that. */
	if (lasts_too_long(lockup, cpu->index, "hard", last_tick(cpu), last_tick(cpu))) {
		lockup->reported |= report_hard(cpu->index, lockup);
		if (!lockup->reported)
			patience_again(&lockup->patience);
	}
	spin_unlock(&lockup->lock);
}

/* The clocks of two CPUs may differ; the worst that comes of it is a look too many. */
static bool seems_deaf(const struct cpu *cpu)
{
	return (int64_t)(clock_ns() - last_tick(cpu)) > (int64_t)(LATE_TICKS * tick_period_ns());
}

static unsigned int next_online(unsigned int cpu)
{
	cpu = cpumask_next(&cpu_online_mask, cpu + 1);
	return cpu < MAX_CPUS ? cpu : cpumask_next(&cpu_online_mask, 0);
}

static void on_tick(void)
{
	unsigned int cpu = smp_processor_id();

	look_at_self(this_cpu->self);
	do {
		cpu = next_online(cpu);
		if (cpu == smp_processor_id() || cpu >= MAX_CPUS)
			return;
		look_at_other(cpus[cpu]);
	} while (seems_deaf(cpus[cpu]));
}

void watchdog_init(void)
{
	tick_add(TICK_WATCH, on_tick);
}

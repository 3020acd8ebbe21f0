/*
 * Waiting for a CPU that takes its time with a flush.
 */
#include <arch/cpu.h>
#include <arch/time.h>
#include <kernel/console/printk.h>
#include <kernel/mm/flush.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/patience.h>
#include <kernel/smp/stall.h>
#include <kernel/smp/waiting.h>
#include <lib/age.h>
#include <lib/printf.h>

#define FAST_SPINS 256 /* before the clock is looked at */
#define HEADLINE   200

/*
 * It may also have gone to another space, or idle: then it looks at the generation when it comes
 * back. But who idles on tables that were freed must leave them. A stopped CPU does nothing more.
 */
bool flush_is_done(const struct flush_wait *wait, unsigned int cpu)
{
	struct tlb *tlb = &cpus[cpu]->tlb;

	if (atomic_load_explicit(&cpus[cpu]->stopped, memory_order_acquire))
		return true;
	if (wait->aspace == &kernel_aspace)
		return atomic_load_explicit(&tlb->kernel_gen, memory_order_acquire) >= wait->gen;
	if (atomic_load_explicit(&tlb->gen, memory_order_acquire) >= wait->gen)
		return true;
	/* Acquire: pairs with the release in aspace_switch. */
	if (cpumask_word_acquire(&wait->aspace->cpus, cpu / 64) >> cpu % 64 & 1)
		return false;
	return !wait->tables ||
	       atomic_load_explicit(&tlb->loaded, memory_order_acquire) != wait->aspace;
}

static bool is_done(const void *wait, unsigned int cpu)
{
	return flush_is_done(wait, cpu);
}

/* By this CPU: it may report, and it has. */
struct stall {
	struct patience patience;
	bool claimed, reported;
};

/* One of all who find the same CPU stuck reports: the one that has claimed it. */
static void report(const struct flush_wait *wait, unsigned int cpu, struct stall *stall,
		   uint64_t now)
{
	char headline[HEADLINE], age[AGE_TEXT], text[WAIT_TEXT];
	struct wait_seen seen;

	if (!stall->claimed)
		stall->claimed = stall_claim(cpu);
	if (!stall->claimed || !waiting_look(this_cpu->index, &seen))
		return;
	snprintf(headline, sizeof(headline), "STALL: CPU %u waits %s for CPU %u: %s\n",
		 this_cpu->index, age_format(now - stall->patience.since, age, sizeof(age)), cpu,
		 waiting_describe(&seen, text, sizeof(text)));
	if (stall_report_flush(cpu, is_done, wait, headline))
		stall->reported = true;
	else
		patience_again(&stall->patience);
}

static void __attribute__((noinline, cold))
wait_long(const struct flush_wait *wait, unsigned int cpu)
{
	struct stall stall = { patience_begin(clock_ns(), stall_deadline_ns()), false, false };
	char age[AGE_TEXT];

	waiting_begin_range(cpu, (uint64_t)wait->func, wait->start,
			    wait->pages == FLUSH_ALL ? WAIT_ALL_PAGES : wait->pages);
	while (!flush_is_done(wait, cpu)) {
		uint64_t now = clock_ns();

		if (patience_over(&stall.patience, now))
			report(wait, cpu, &stall, now);
		cpu_relax();
	}
	waiting_end();
	if (stall.reported)
		printk("STALL over: CPU %u flushed for CPU %u, unstuck after %s\n", cpu,
		       this_cpu->index,
		       age_format(clock_ns() - stall.patience.since, age, sizeof(age)));
	/* Last: the next report about this CPU stands behind what was said. */
	if (stall.claimed)
		stall_release(cpu);
}

void flush_wait_for(const struct flush_wait *wait, unsigned int cpu)
{
	for (unsigned int spins = 0; spins < FAST_SPINS; spins++) {
		if (flush_is_done(wait, cpu))
			return;
		cpu_relax();
	}
	wait_long(wait, cpu);
}

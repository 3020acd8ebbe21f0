/*
 * The kernel's own books, before and after: what senders queued is what targets ran,
 * no more came than was sent, and nothing is left anywhere.
 */
#include "crowd.h"
#include "torture.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>

struct books {
	uint64_t queued, run, cancelled, exhausted;
	uint64_t sent[VECTORS], taken[VECTORS];
};

static struct books opened;

static const uint8_t vectors[] = { CALL_FUNCTION_SINGLE_VECTOR, CALL_FUNCTION_VECTOR,
				   RESCHEDULE_VECTOR, TLB_FLUSH_VECTOR, IRQ_WORK_VECTOR };

static void add_up(struct books *books)
{
	*books = (struct books){ 0 };
	for_each_cpu(cpu, &torture_online) {
		const struct cpu *data = cpus[cpu];

		books->queued += data->calls_queued;
		books->run += data->calls_run;
		books->cancelled += data->calls_cancelled;
		books->exhausted += data->csd_exhausted;
		for (unsigned int i = 0; i < sizeof(vectors); i++) {
			books->sent[vectors[i]] += data->ipi_sent[vectors[i]];
			books->taken[vectors[i]] += data->irq_count[vectors[i]];
		}
	}
}

void torture_accounts_open(void)
{
	add_up(&opened);
}

static void must_equal(const char *what, uint64_t is, const char *other, uint64_t must)
{
	if (is != must)
		torture_broken(RULE_ACCOUNTS, NULL, "%s: %lu, %s: %lu", what, is, other, must);
}

/* Equal vectors that wait merge, so fewer may come than were sent, never more. */
static void check_vectors(const struct books *now)
{
	for (unsigned int i = 0; i < sizeof(vectors); i++) {
		unsigned int vector = vectors[i];
		uint64_t sent = now->sent[vector] - opened.sent[vector];
		uint64_t taken = now->taken[vector] - opened.taken[vector];

		if (taken > sent)
			torture_broken(RULE_ACCOUNTS, NULL, "vector %#x: %lu sent, %lu taken",
				       vector, sent, taken);
	}
}

static void check_descriptors(const struct cpu *cpu, const struct csd *csds, unsigned int count,
			      const char *what)
{
	for (unsigned int i = 0; i < count; i++) {
		if (atomic_load_explicit(&csds[i].state, memory_order_acquire) != CSD_FREE)
			torture_broken(RULE_QUIET, NULL, "CPU %u: descriptor %u %s is not free",
				       cpu->index, i, what);
	}
}

static void check_queue(const struct cpu *cpu, const struct llist_head *queue, const char *what)
{
	if (!llist_empty(queue))
		torture_broken(RULE_QUIET, NULL, "CPU %u: its %s is not empty", cpu->index, what);
}

/* A lazy irq_work may wait for a tick that is far away; nobody here queues one. */
static void check_quiet(const struct cpu *cpu)
{
	check_queue(cpu, &cpu->call_single_queue, "queue of calls");
	check_queue(cpu, &cpu->irq_work_queue, "queue of irq_work");
	check_queue(cpu, &cpu->irq_work_lazy, "queue of lazy irq_work");
	check_queue(cpu, &cpu->wake_list, "wake list");
	if (cpu->self_calls)
		torture_broken(RULE_QUIET, NULL, "CPU %u: %u calls to itself never ended",
			       cpu->index, cpu->self_calls);
	check_descriptors(cpu, cpu->csd_pool, cpu->csd_count, "of the pool");
	check_descriptors(cpu, cpu->csd_wait, nr_cpus, "for waiting");
}

void torture_accounts_close(void)
{
	struct counts all = { 0 };
	struct books now;

	for_each_cpu(cpu, &torture_online) {
		for (unsigned int i = 0; i < CONTEXTS; i++) {
			const struct counts *counts = &torture_senders[cpu]->counts[i];

			all.named += counts->named;
			all.refused += counts->refused;
			all.ran += counts->ran;
			all.queued += counts->queued;
			all.exhausted += counts->exhausted;
		}
		check_quiet(cpus[cpu]);
	}
	add_up(&now);
	must_equal("calls made", all.named, "run and refused", all.ran + all.refused);
	all.queued += crowd_calls_queued();
	must_equal("the kernel queued", now.queued - opened.queued, "callers", all.queued);
	must_equal("the kernel ran", now.run - opened.run, "was to run", all.queued);
	must_equal("cancelled", now.cancelled - opened.cancelled, "was to be", 0);
	must_equal("the kernel found its pools dry", now.exhausted - opened.exhausted,
		   "callers heard of it", all.exhausted);
	check_vectors(&now);
	if (irqs_disabled())
		torture_broken(RULE_QUIET, NULL, "interrupts are off at the end");
}

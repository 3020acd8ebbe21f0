/*
 * The pool of a CPU's descriptors for its unwaited calls: looking for free ones, and
 * waiting for them.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/panic.h>
#include <kernel/sched/preempt.h>
#include <kernel/smp/call.h>
#include <kernel/smp/queue.h>
#include <lib/errno.h>

/* How many from csd on are free, at most count; the ring's end is not. */
static uint32_t free_in_a_row(const struct csd *csd, uint32_t count)
{
	uint32_t found = 0;

	while (found < count && csd_is_free(&csd[found]))
		found++;
	return found;
}

struct csd *csd_search(uint32_t count)
{
	struct csd *csd = this_cpu->csd_next;

	for (uint32_t passed = 0; passed <= this_cpu->csd_count;) {
		uint32_t found = free_in_a_row(csd, count);

		if (found == count) {
			this_cpu->csd_next = csd;
			return csd;
		}
		csd += found;
		passed += found + 1;
		if (atomic_load_explicit(&csd->state, memory_order_relaxed) == CSD_END)
			csd = this_cpu->csd_pool;
		else
			csd++;
	}
	return NULL;
}

bool csd_wait_for_pool(uint32_t count, unsigned long flags)
{
	uint64_t start = clock_ns();
	bool found = csd_search(count);

	while (!found && !irqs_disabled_flags(flags) && clock_ns() - start < POOL_WAIT_NS) {
		irq_enable();
		cpu_relax();
		irq_disable();
		found = csd_search(count);
	}
	if (!found)
		this_cpu->csd_exhausted++;
	irq_restore(flags);
	return found;
}

/* What takes longer than no_preempt_text is for. */
int no_preempt_text csd_wait_long(struct csd *csd)
{
	int error;

	preempt_disable();
	error = watch_wait(csd);
	preempt_enable();
	return error;
}

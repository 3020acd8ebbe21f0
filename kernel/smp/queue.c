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

struct csd *csd_claim(uint32_t count)
{
	struct csd *csd = this_cpu->csd_next;

	for (uint32_t passed = 0; passed <= this_cpu->csd_count;) {
		uint32_t found = free_in_a_row(csd, count);

		if (found == count) {
			this_cpu->csd_next = csd + count;
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

static bool enough_are_free(uint32_t count)
{
	for (uint32_t i = 0; count && i < this_cpu->csd_count; i++)
		count -= csd_is_free(&this_cpu->csd_pool[i]);
	return !count;
}

bool csd_wait_for_pool(uint32_t count, unsigned long flags)
{
	uint64_t start = clock_ns();

	while (!enough_are_free(count)) {
		if (irqs_disabled_flags(flags) || clock_ns() - start >= POOL_WAIT_NS) {
			this_cpu->csd_exhausted++;
			return false;
		}
		irq_enable();
		cpu_relax();
		irq_disable();
	}
	this_cpu->csd_next = csd_claim(1);
	return true;
}

/* What takes longer than no_preempt_text is for. All of a row were queued at one time. */
int no_preempt_text csd_wait_long(struct csd *csd, struct csd *end)
{
	uint64_t since;
	int error = 0;

	preempt_disable();
	since = clock_ns();
	for (; csd != end; csd++)
		error |= watch_wait(csd, since);
	preempt_enable();
	return error;
}

int no_preempt_text csd_wait_long_for(struct csd *csd)
{
	return csd_wait_long(csd, csd + 1);
}

/*
 * Shootdown without IPIs, for unmapping alone: the CPU that unmaps puts down what it took out,
 * and goes on; each CPU flushes at its next tick, or when it leaves the space. Frames are put
 * when all have. LATR (ASPLOS 2018) has the idea.
 *
 *   who unmaps, with the space's lock     a CPU that uses the space
 *   tables ← new entries
 *   gen ← gen + 2   (exchange, full)
 *   flushes its own TLB                   may go on reading and writing what was there
 *   its list ← frames, gen
 *                                         tick: gen of the space (acquire),
 *                                           flushes everything, its gen ← gen (release)
 *                                         or: leaves the space (release), and will compare
 *                                           generations when it comes back
 *   at its own ticks:
 *   has each that uses the space
 *   a gen ≥ gen? (acquire) ─► puts the frames
 *
 * There is nobody who waits, so the range in the space's line may have been overwritten when a
 * CPU looks at it: who is behind flushes everything, once a tick for all that was unmapped.
 *
 * Each CPU's list is its own, so that no lock guards it. It has a fixed size; what does not fit
 * becomes a shootdown at once. A CPU that takes no tick within the deadline is named, and told
 * by an IPI after all.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/mmu.h>
#include <arch/time.h>
#include <kernel/console/printk.h>
#include <kernel/mm/flush.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/tlb_ipi.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/stall.h>
#include <kernel/time/tick.h>
#include <lib/age.h>
#include <lib/errno.h>
#include <tests/schemes/shootdown.h>

struct deferred {
	struct aspace *aspace;
	uint64_t gen;   /* that all of its users must have reached */
	uint64_t since; /* when, by the clock of this CPU; or when others were last told */
	uint64_t frame; /* with TABLES if tables were freed with it */
};

#define TABLES (PAGE_SIZE >> 1) /* beside the level, in what an address leaves free */

struct deferred_list {
	uint64_t count;
	struct deferred deferred[DEFERRED_MOST];
};
static_assert(sizeof(struct deferred_list) <= PAGE_SIZE, "it has a frame of its own");

/* Only the CPU itself looks at its own, interrupts off; NULL: the scheme is not in use. */
static struct deferred_list *lists[MAX_CPUS];

static struct flush_wait wait_of(const struct deferred *deferred)
{
	return (struct flush_wait){
		.aspace = deferred->aspace,
		.gen = deferred->gen,
		.tables = deferred->frame & TABLES,
	};
}

static bool all_have_flushed(const struct deferred *deferred)
{
	struct flush_wait wait = wait_of(deferred);

	for_each_cpu(cpu, &cpu_online_mask) {
		if (!flush_is_done(&wait, cpu))
			return false;
	}
	return true;
}

/* Their handler finds them behind, and so does all that their tick would have done. */
static void tell_the_others(const struct deferred *deferred, uint64_t age_ns)
{
	struct flush_wait wait = wait_of(deferred);
	char age[AGE_TEXT];

	for_each_cpu(cpu, &cpu_online_mask) {
		if (flush_is_done(&wait, cpu))
			continue;
		printk("STALL: CPU %u has not ticked for %s since CPU %u unmapped: it is told\n",
		       cpu, age_format(age_ns, age, sizeof(age)), this_cpu->index);
		this_cpu->ipi_sent[TLB_FLUSH_VECTOR]++;
		arch_send_ipi(cpu, TLB_FLUSH_VECTOR);
	}
}

/* Whether its frame may be put. */
static bool judge(struct deferred *deferred)
{
	uint64_t now = clock_ns();

	if (all_have_flushed(deferred))
		return true;
	if ((int64_t)(now - deferred->since) > (int64_t)stall_deadline_ns()) {
		tell_the_others(deferred, now - deferred->since);
		deferred->since = now;
	}
	return false;
}

/* Puts what may be put; the rest moves up. What came with one flush is judged once. */
static void reclaim(struct deferred_list *list)
{
	struct deferred last = { 0 };
	uint64_t kept = 0;
	bool over = false;

	/* Between gen and the look at who uses the space: pairs with who begins to use it. */
	atomic_thread_fence(memory_order_seq_cst);
	for (uint64_t i = 0; i < list->count; i++) {
		struct deferred *one = &list->deferred[i];

		if (one->aspace != last.aspace || one->gen != last.gen)
			over = judge(one);
		else
			one->since = last.since;
		last = *one;
		if (over)
			shootdown_put(last.frame & ~TABLES);
		else
			list->deferred[kept++] = last;
	}
	list->count = kept;
}

void deferred_tick(void)
{
	struct deferred_list *list = lists[this_cpu->index];

	if (!list)
		return;
	on_tlb_flush_rest();
	reclaim(list);
}

static void put_down(struct deferred_list *list, const struct shootdown *what, uint64_t gen)
{
	uint64_t now = clock_ns();

	for (unsigned int i = 0; i < what->count; i++)
		list->deferred[list->count++] = (struct deferred){
			.aspace = what->aspace,
			.gen = gen,
			.since = now,
			.frame = what->frames[i] | (what->tables ? TABLES : 0),
		};
}

static bool has_room(struct deferred_list *list, unsigned int count)
{
	if (DEFERRED_MOST - list->count < count)
		reclaim(list);
	return DEFERRED_MOST - list->count >= count;
}

static bool deferred_flush(const struct shootdown *what)
{
	struct deferred_list *list;
	uint64_t gen;

	irq_disable();
	list = lists[this_cpu->index];
	if (!list || !has_room(list, what->count)) {
		irq_enable();
		shootdown_by_kernel(what);
		return true;
	}
	gen = shootdown_raise(what);
	shootdown_flush_here(what, gen);
	put_down(list, what, gen);
	irq_enable();
	return false;
}

static void tick_here(void *info)
{
	(void)info;
	deferred_tick();
}

/* What this CPU would only do at its tick; by then others may have judged, and kept what it held up. */
static void flush_here(void)
{
	irq_disable();
	on_tlb_flush_rest();
	irq_enable();
}

/* The others, one after the other: the kernel's wait has a deadline, reports, and tells them. */
static void wait_for_all(struct aspace *aspace, uint64_t gen, bool tables)
{
	struct flush_wait wait = {
		.aspace = aspace,
		.func = (const void *)shootdown_settle,
		.gen = gen,
		.pages = FLUSH_ALL,
		.tables = tables,
	};

	for_each_cpu(cpu, &cpu_online_mask) {
		if (cpu != this_cpu->index)
			flush_wait_for(&wait, cpu);
	}
}

/* Who idles on tables of which none were freed need not do anything. */
static int deferred_settle(struct aspace *aspace)
{
	const struct flush_line *line = &aspace->line;
	int error = aspace_lock(&aspace->lock);

	if (error)
		return error;
	flush_here();
	atomic_thread_fence(memory_order_seq_cst);
	wait_for_all(aspace, atomic_load_explicit(&line->gen, memory_order_relaxed), false);
	wait_for_all(aspace, atomic_load_explicit(&line->freed_gen, memory_order_relaxed), true);
	aspace_unlock(&aspace->lock);
	return on_each_cpu(tick_here, NULL, true);
}

static void start_here(void *failed)
{
	uint64_t frame = frame_alloc();

	if (frame)
		lists[this_cpu->index] = phys_to_virt(frame);
	else
		atomic_store_explicit((atomic_bool *)failed, true, memory_order_relaxed);
}

static void look_here(void *busy)
{
	struct deferred_list *list = lists[this_cpu->index];

	if (!list)
		return;
	reclaim(list);
	if (list->count)
		atomic_store_explicit((atomic_bool *)busy, true, memory_order_relaxed);
}

static void stop_here(void *info)
{
	struct deferred_list *list = lists[this_cpu->index];

	(void)info;
	lists[this_cpu->index] = NULL;
	if (list)
		frame_free(virt_to_phys(list));
}

static int stop(void)
{
	atomic_bool busy = false;
	int error = on_each_cpu(look_here, &busy, true);

	if (error || busy)
		return error ? error : -EBUSY;
	return on_each_cpu(stop_here, NULL, true);
}

static int start(void)
{
	static bool added;
	atomic_bool failed = false;

	on_each_cpu(start_here, &failed, true);
	if (failed) {
		stop();
		return -ENOMEM;
	}
	if (!added)
		tick_add(TICK_ANY, deferred_tick);
	added = true;
	return 0;
}

const struct shootdown_scheme deferred_scheme = {
	.name = "deferred",
	.flush = deferred_flush,
	.settle = deferred_settle,
	.start = start,
	.stop = stop,
};

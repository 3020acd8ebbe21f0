/*
 * The ways of shootdown that there are, the steps that they share, and unmapping by one of them.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/mmu.h>
#include <kernel/mm/batch.h>
#include <kernel/mm/flush.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/tlb_ipi.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>
#include <stddef.h>
#include <tests/schemes/shootdown.h>

static_assert(SHOOTDOWN_MOST + 2 * MMU_LEVELS <= TLB_BATCH_PAGES, "with the tables on the way");
static_assert(SHOOTDOWN_MOST + 2 * MMU_LEVELS <= DEFERRED_MOST, "an empty list takes it all");

static bool targeted_flush(const struct shootdown *what)
{
	flush_range(what->aspace, what->start, what->pages, what->tables);
	return true;
}

const struct shootdown_scheme targeted_scheme = { .name = "targeted", .flush = targeted_flush };

const struct shootdown_scheme *const shootdown_schemes[] = {
	&targeted_scheme,
	&broadcast_scheme,
	&deferred_scheme,
	NULL,
};

static const struct shootdown_scheme *used;

int shootdown_scheme_use(const struct shootdown_scheme *scheme)
{
	int error = used && used->stop ? used->stop() : 0;

	if (error)
		return error;
	used = NULL;
	error = scheme && scheme->start ? scheme->start() : 0;
	if (!error)
		used = scheme;
	return error;
}

/* Sequentially consistent: pairs with the two steps of who begins to use a space. */
uint64_t shootdown_raise(const struct shootdown *what)
{
	struct flush_line *line = &what->aspace->line;
	uint64_t gen = atomic_load_explicit(&line->gen, memory_order_relaxed) + SHOOTDOWN_STEP;

	if (what->tables)
		atomic_store_explicit(&line->freed_gen, gen, memory_order_relaxed);
	atomic_exchange_explicit(&line->gen, gen, memory_order_seq_cst);
	return gen;
}

/* Who idles on the tables flushes, too: then it need not leave them if some were freed. */
void shootdown_flush_here(const struct shootdown *what, uint64_t gen)
{
	struct tlb *tlb = &this_cpu->self->tlb;
	uint64_t behind = gen - atomic_load_explicit(&tlb->gen, memory_order_relaxed);

	if (atomic_load_explicit(&tlb->loaded, memory_order_relaxed) != what->aspace || !behind)
		return;
	if (behind == SHOOTDOWN_STEP && what->pages != FLUSH_ALL)
		flush_pages(what->start, what->pages);
	else
		mmu_flush_tag();
	flush_answer(&tlb->gen, gen);
}

static void catch_up(void)
{
	irq_disable();
	on_tlb_flush_rest();
	irq_enable();
}

/* The space is locked, so nothing more is deferred in between. */
void shootdown_by_kernel(const struct shootdown *what)
{
	catch_up();
	flush_range(what->aspace, what->start, what->pages, what->tables);
}

void shootdown_put(uint64_t frame)
{
	page_put(frame & ~(PAGE_SIZE - 1), frame & (PAGE_SIZE - 1));
}

/* Nothing is left for the batch to do. */
static void hand_over(const struct shootdown_scheme *scheme, struct tlb_batch *batch)
{
	struct shootdown what = {
		.aspace = batch->aspace,
		.start = batch->start,
		.pages = tlb_batch_pages(batch),
		.tables = batch->tables,
		.count = batch->count,
		.frames = batch->pages,
	};

	if (scheme->flush(&what)) {
		for (unsigned int i = 0; i < batch->count; i++)
			shootdown_put(batch->pages[i]);
	}
	batch->count = batch->leaves = 0;
	batch->tables = false;
}

static bool is_usable(const struct shootdown_scheme *scheme, const struct aspace *aspace)
{
	return scheme && scheme == used && aspace && aspace != &kernel_aspace;
}

int shootdown_unmap(const struct shootdown_scheme *scheme, struct aspace *aspace, uint64_t virt,
		    uint64_t length)
{
	struct tlb_batch batch;
	int error;

	if (!is_usable(scheme, aspace) || length > SHOOTDOWN_MOST * PAGE_SIZE)
		return -EINVAL;
	error = tlb_batch_begin(&batch, aspace);
	if (error)
		return error;
	/* A large page that is to be split is flushed by the kernel. */
	catch_up();
	error = tlb_batch_unmap(&batch, virt, length);
	if (batch.leaves || batch.tables)
		hand_over(scheme, &batch);
	tlb_batch_end(&batch);
	return error;
}

int shootdown_settle(const struct shootdown_scheme *scheme, struct aspace *aspace)
{
	if (!is_usable(scheme, aspace))
		return -EINVAL;
	return scheme->settle ? scheme->settle(aspace) : 0;
}

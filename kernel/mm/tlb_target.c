/*
 * What a CPU does that is told to flush.
 *
 *   sender                                        target
 *   range, gen ← gen + 1 or 2, full barrier
 *   reads cpus, IPI                           ─►  TLB_FLUSH
 *                                                 one behind: answers, flushes the range
 *                                                 more: flushes everything, answers
 *   each target's gen ≥ gen (acquire)         ◄─  its gen ← gen (release)
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/mmu.h>
#include <kernel/mm/flush.h>
#include <kernel/mm/tlb_ipi.h>
#include <kernel/smp/cpu.h>

/*
 * The common case alone, and without calls, so that the entry need not save what C may clobber:
 * this CPU has missed one range of the space that it uses. Whether there is more to do.
 *
 * It answers before it flushes. Until it returns from this interrupt nothing here reads or writes
 * the lower half, and no table was freed, so what is still remembered cannot do any harm. The
 * range is read before the answer: behind it, the line may be used for the next flush.
 */
bool ARCH_LEAF_HANDLER on_tlb_flush_quick(void)
{
	const struct flush_line *line;
	uint64_t gen, start, pages;

	arch_ipi_ack();
	this_cpu->irq_count[TLB_FLUSH_VECTOR]++;
	line = &this_cpu->tlb.active->line;
	gen = atomic_load_explicit(&line->gen, memory_order_acquire);
	if (__builtin_expect(this_cpu_word(tlb.gen) != gen - 1, 0))
		return true;
	start = line->start;
	pages = line->pages;
	/* Release: pairs with the acquire in has_answered. */
	this_cpu_store_release(tlb.gen, gen);
	flush_pages(start, pages);
	return atomic_load_explicit(&kernel_aspace.line.gen, memory_order_acquire) !=
	       this_cpu_word(tlb.kernel_gen);
}

/* The answer comes last: a walk through tables that were freed must be over. */
static void catch_up(struct tlb *tlb)
{
	uint64_t gen = atomic_load_explicit(&tlb->active->line.gen, memory_order_acquire);

	if (tlb->active == &aspace_none ||
	    gen == atomic_load_explicit(&tlb->gen, memory_order_relaxed))
		return;
	tlb->full_flushes++;
	mmu_flush_tag();
	flush_answer(&tlb->gen, gen);
}

/* The kernel's half may be used in this very handler: it is never answered early. */
static void catch_up_kernel(struct tlb *tlb)
{
	const struct flush_line *line = &kernel_aspace.line;
	uint64_t gen = atomic_load_explicit(&line->gen, memory_order_acquire);
	uint64_t behind = gen - atomic_load_explicit(&tlb->kernel_gen, memory_order_relaxed);

	if (!behind)
		return;
	if (behind == 1) {
		flush_pages(line->start, line->pages);
	} else {
		tlb->full_flushes++;
		mmu_flush_all();
	}
	flush_answer(&tlb->kernel_gen, gen);
}

/* Acquire: who finds that it must leave also finds the tables without what was freed. */
void tlb_leave_freed_tables(struct tlb *tlb)
{
	struct aspace *loaded = atomic_load_explicit(&tlb->loaded, memory_order_relaxed);

	if (loaded != tlb->active &&
	    atomic_load_explicit(&loaded->line.freed_gen, memory_order_acquire) >
		    atomic_load_explicit(&tlb->gen, memory_order_relaxed))
		tlb_load_kernel(tlb);
}

void on_tlb_flush_rest(void)
{
	struct tlb *tlb = &this_cpu->self->tlb;

	catch_up(tlb);
	catch_up_kernel(tlb);
	tlb_leave_freed_tables(tlb);
}

void on_tlb_flush(void)
{
	if (on_tlb_flush_quick())
		on_tlb_flush_rest();
}

/* Full barrier between being online and the look: pairs with the exchange in announce. */
void tlb_cpu_online(void)
{
	atomic_thread_fence(memory_order_seq_cst);
	catch_up_kernel(&this_cpu->self->tlb);
}

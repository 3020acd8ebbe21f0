/*
 * Which space a CPU uses.
 *
 *   nobody's ──(aspace)──► uses it ──(NULL)──► idles on its tables ──(its tables freed,
 *      ▲                     ▲                    │      │            another space)──► …
 *      │                     └──────(the same)────┘      │
 *      └─────────────────────────────────────────────────┘
 *
 * Only who uses a space is in its cpus. Who idles on it is interrupted only if tables are freed;
 * when it uses the space again, the generation tells whether it has missed anything.
 *
 * A CPU with tags remembers several spaces, and of each its generation when it left it.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/mmu.h>
#include <kernel/mm/aspace.h>
#include <kernel/mm/flush.h>
#include <kernel/smp/cpu.h>

#define KERNEL_TAG 0 /* of the hardware's; a space's are one more than its place in tags */

static unsigned int tags_in_use(void)
{
	if (!mmu_tags)
		return 1;
	return mmu_tags < TLB_TAGS ? mmu_tags : TLB_TAGS;
}

void tlb_load_kernel(struct tlb *tlb)
{
	mmu_load(mmu_kernel_root(), KERNEL_TAG, false);
	/* Release: who sees that the tables were left may free them. */
	atomic_store_explicit(&tlb->loaded, &aspace_none, memory_order_release);
}

/* The tag under which the space is remembered; else the next one, for it. */
static unsigned int find_tag(struct tlb *tlb, uint64_t id)
{
	unsigned int tag;

	for (tag = 0; tag < tags_in_use(); tag++) {
		if (tlb->tags[tag].id == id)
			return tag;
	}
	tag = tlb->next_tag++ % tags_in_use();
	tlb->tags[tag].id = id;
	tlb->tags[tag].gen = 0;
	return tag;
}

static void load(struct tlb *tlb, struct aspace *aspace, uint64_t gen)
{
	unsigned int tag = find_tag(tlb, aspace->id);
	bool keep = mmu_tags && tlb->tags[tag].gen == gen;

	mmu_load(virt_to_phys((const void *)aspace->top), mmu_tags ? tag + 1 : KERNEL_TAG, keep);
	tlb->tag = tag;
	/* Release: who sees that the other tables were left may free them. */
	atomic_store_explicit(&tlb->loaded, aspace, memory_order_release);
}

static void enter(struct tlb *tlb, struct aspace *aspace)
{
	bool is_loaded = atomic_load_explicit(&tlb->loaded, memory_order_relaxed) == aspace;
	unsigned int me = this_cpu->index;
	uint64_t gen;

	/* Else the generation of the other space would be taken for an answer about this one. */
	if (!is_loaded)
		atomic_store_explicit(&tlb->gen, 0, memory_order_relaxed);
	/* Sequentially consistent, both: pairs with the exchange of gen and the look at cpus. */
	atomic_fetch_or_explicit(&aspace->cpus.word[me / 64], 1ull << me % 64,
				 memory_order_seq_cst);
	gen = atomic_load_explicit(&aspace->line.gen, memory_order_seq_cst);
	if (!is_loaded)
		load(tlb, aspace, gen);
	else if (atomic_load_explicit(&tlb->gen, memory_order_relaxed) != gen)
		mmu_flush_tag();
	flush_answer(&tlb->gen, gen);
}

/*
 * Who goes idle keeps its generation: it is good for as long as the tables are loaded, and who
 * frees some of them asks for it.
 */
void aspace_switch(struct aspace *aspace)
{
	struct tlb *tlb = &this_cpu->self->tlb;
	struct aspace *before = tlb->active;

	if (!aspace)
		aspace = &aspace_none;
	if (aspace == before)
		return;
	if (before != &aspace_none)
		tlb->tags[tlb->tag].gen = atomic_load_explicit(&tlb->gen, memory_order_relaxed);
	if (aspace != &aspace_none)
		enter(tlb, aspace);
	tlb->active = aspace;
	/* Release: what was read and written in there comes before. */
	if (before != &aspace_none)
		cpumask_clear_atomic(&before->cpus, this_cpu->index);
}

void aspace_use(struct aspace *aspace)
{
	unsigned long flags = irq_save();
	struct thread *self = this_cpu->current;

	self->aspace = aspace;
	thread_set_special(self, aspace ? THREAD_SPACE : 0, THREAD_SPACE);
	aspace_switch(aspace);
	irq_restore(flags);
}

struct aspace *aspace_current(void)
{
	struct aspace *active = this_cpu->tlb.active;

	return active == &aspace_none ? NULL : active;
}

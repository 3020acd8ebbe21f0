/*
 * What it costs to forget one page, to forget everything, and to remember a page again: that is
 * what decides from how many pages on everything is forgotten (tlb_full=).
 */
#include <arch/irq.h>
#include <arch/mmu.h>
#include <arch/time.h>
#include <arch/uaccess.h>
#include <kernel/console/printk.h>
#include <kernel/mm/aspace.h>
#include <kernel/report/tlb.h>
#include <lib/samples.h>

#define BASE   (1ul << 32)
#define PAGES  256 /* more than most first-level TLBs hold */
#define ROUNDS 31
#define IN_USE 64 /* pages that a program comes back to at once, about a first-level TLB */

static uint64_t samples[ROUNDS];

/* One word of each page, each in another line. */
static void touch(unsigned int pages)
{
	for (unsigned int i = 0; i < pages; i++) {
		volatile uint64_t *word = (volatile uint64_t *)(BASE + i * PAGE_SIZE + i % 64 * 64);

		(void)*word;
	}
}

static void nothing(void) {}

static void each_page(void)
{
	for (unsigned int i = 0; i < PAGES; i++)
		mmu_flush_page(BASE + i * PAGE_SIZE);
}

static void touch_in_use(void)
{
	touch(IN_USE);
}

/* The median of what it takes, after everything was touched, and forgotten by prepare. */
static uint64_t measure(void (*prepare)(void), void (*what)(void))
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t start;

		touch(PAGES);
		prepare();
		start = cycles_ordered();
		what();
		samples[i] = cycles_ordered() - start;
	}
	return samples_summary(samples, ROUNDS).p50;
}

static uint64_t less(uint64_t value, uint64_t overhead)
{
	return value > overhead ? value - overhead : 0;
}

struct costs {
	uint64_t page, all, again; /* in cycles; again: for each page that is used again */
};

/* Interrupts off, or they would be measured with it. */
static struct costs measure_costs(void)
{
	struct costs costs;
	unsigned long flags = irq_save();
	uint64_t overhead;

	user_access_begin();
	overhead = measure(nothing, nothing);
	costs.page = less(measure(nothing, each_page), overhead) / PAGES;
	costs.all = less(measure(nothing, mmu_flush_tag), overhead);
	costs.again =
		less(measure(mmu_flush_tag, touch_in_use), measure(nothing, touch_in_use)) / IN_USE;
	user_access_end();
	irq_restore(flags);
	return costs;
}

static void print(struct costs costs)
{
	uint64_t everything = costs.all + IN_USE * costs.again;
	uint64_t pages = costs.page ? everything / costs.page : 0;

	printk("\nTLB: forgetting a page takes %lu ns, everything %lu ns and %lu ns for each page that "
	       "is used again\n",
	       cycles_to_ns(costs.page), cycles_to_ns(costs.all), cycles_to_ns(costs.again));
	printk("     with %u of those, everything is cheaper from %lu pages on   tlb_full=%lu   PCID "
	       "%s\n",
	       IN_USE, pages + 1, tlb_full, mmu_tags ? "on" : "off");
}

void tlb_report(void)
{
	struct aspace *space = aspace_create();

	if (!space)
		return;
	if (!aspace_populate(space, BASE, PAGES * PAGE_SIZE, 1, 0)) {
		aspace_use(space);
		print(measure_costs());
		aspace_use(NULL);
	}
	aspace_destroy(space);
}

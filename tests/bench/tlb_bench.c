/*
 * What shootdowns cost. The CPUs that spin use a space all the time; what is timed is the change
 * of a page on CPU 0, with all that it takes until nobody can use the old translation.
 */
#include "bench.h"
#include <arch/cpu.h>
#include <arch/mm.h>
#include <kernel/mm/aspace.h>
#include <kernel/mm/batch.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>

#define BASE  (1ul << 32)
#define PAGES 64
#define REST  600 /* ticks until the receivers are back in their loops */

static struct aspace *space;

/* Made once; what a sample changes it puts right again. */
static void make_space(void)
{
	if (space)
		return;
	space = aspace_create();
	bench_must(!space);
	bench_must(aspace_populate(space, BASE, PAGES * PAGE_SIZE, 1, MAP_WRITE));
}

static void use(void *info)
{
	aspace_switch(info);
}

static void rest(void)
{
	uint64_t start = cycles();

	while (cycles() - start < REST)
		cpu_relax();
}

static void all_use(struct aspace *used)
{
	bench_must(on_each_cpu(use, used, true));
}

static uint64_t time_protect(uint64_t pages)
{
	uint64_t start, ticks;

	rest();
	start = cycles_ordered();
	bench_must(aspace_protect(space, BASE, pages * PAGE_SIZE, 0));
	ticks = cycles_ordered() - start;
	bench_must(aspace_protect(space, BASE, pages * PAGE_SIZE, MAP_WRITE));
	return ticks;
}

/* CPU 0 and the receiver use the space. */
static void two_use(void)
{
	make_space();
	aspace_use(space);
	bench_must(smp_call_function_single(RECEIVER, use, space, true));
}

static void nobody_uses(void)
{
	all_use(NULL);
	aspace_use(NULL); /* this thread neither: its switches would go on to cost more */
}

static uint64_t protect(uint64_t pages)
{
	uint64_t ticks;

	two_use();
	ticks = time_protect(pages);
	nobody_uses();
	return ticks;
}

static uint64_t protect_1(void)
{
	return protect(1);
}
BENCH(tlb_protect_1, "tlb.protect.1p", 2, RECEIVERS_SPIN, protect_1);

static uint64_t protect_33(void)
{
	return protect(33);
}
BENCH(tlb_protect_33, "tlb.protect.33p", 2, RECEIVERS_SPIN, protect_33);

static uint64_t unmap_1(void)
{
	uint64_t start, ticks;

	two_use();
	rest();
	start = cycles_ordered();
	bench_must(aspace_unmap(space, BASE + PAGE_SIZE, PAGE_SIZE));
	ticks = cycles_ordered() - start;
	bench_must(aspace_populate(space, BASE + PAGE_SIZE, PAGE_SIZE, 1, MAP_WRITE));
	nobody_uses();
	return ticks;
}
BENCH(tlb_unmap_1, "tlb.unmap.1p", 2, RECEIVERS_SPIN, unmap_1);

/*
 * What the cheaper ways save, beside the plain one: one shootdown for many changes, and none for a
 * CPU that does not touch the space meanwhile. That one pays when it comes back.
 */
static uint64_t time_unmap_64(void (*unmap)(void))
{
	uint64_t start, ticks;

	make_space();
	aspace_use(space);
	all_use(space);
	rest();
	start = cycles_ordered();
	unmap();
	ticks = cycles_ordered() - start;
	bench_must(aspace_populate(space, BASE, PAGES * PAGE_SIZE, 1, MAP_WRITE));
	nobody_uses();
	return ticks;
}

static void unmap_one_by_one(void)
{
	for (unsigned int i = 0; i < PAGES; i++)
		bench_must(aspace_unmap(space, BASE + i * PAGE_SIZE, PAGE_SIZE));
}

static uint64_t single_64(void)
{
	return time_unmap_64(unmap_one_by_one);
}
BENCH_FEW(tlb_single_64, "tlb.single64", 2, RECEIVERS_SPIN, single_64);

static void unmap_in_a_batch(void)
{
	static struct tlb_batch batch;

	bench_must(tlb_batch_begin(&batch, space));
	for (unsigned int i = 0; i < PAGES; i++)
		bench_must(tlb_batch_unmap(&batch, BASE + i * PAGE_SIZE, PAGE_SIZE));
	tlb_batch_end(&batch);
}

static uint64_t batch_64(void)
{
	return time_unmap_64(unmap_in_a_batch);
}
BENCH_FEW(tlb_batch_64, "tlb.batch64", 2, RECEIVERS_SPIN, batch_64);

/* As tlb.protect.1p, but the receiver has let the space go; its tables are still loaded. */
static uint64_t protect_lazy(void)
{
	uint64_t ticks;

	two_use();
	bench_must(smp_call_function_single(RECEIVER, use, NULL, true));
	ticks = time_protect(1);
	nobody_uses();
	return ticks;
}
BENCH_FEW(tlb_protect_lazy, "tlb.protect.1p.lazy", 2, RECEIVERS_SPIN, protect_lazy);

static void time_use(void *ticks)
{
	uint64_t start = cycles_ordered();

	aspace_switch(space);
	*(uint64_t *)ticks = cycles_ordered() - start;
}

static uint64_t return_behind(void)
{
	uint64_t ticks;

	two_use();
	bench_must(smp_call_function_single(RECEIVER, use, NULL, true));
	time_protect(1);
	bench_must(smp_call_function_single(RECEIVER, time_use, &ticks, true));
	nobody_uses();
	return ticks;
}
BENCH_FEW(tlb_lazy_return, "tlb.lazy.return", 2, RECEIVERS_SPIN, return_behind);

static uint64_t time_page(void)
{
	uint64_t start, ticks;

	rest();
	bench_must(aspace_lock(&space->lock));
	start = cycles_ordered();
	flush_tlb_page(space, BASE);
	ticks = cycles_ordered() - start;
	aspace_unlock(&space->lock);
	return ticks;
}

/* One page's shootdown when all use the space, less that when nobody else does, for each. */
static uint64_t page_remote(void)
{
	unsigned int remote = cpumask_weight(&cpu_online_mask) - 1;
	uint64_t alone, all;

	make_space();
	aspace_use(space);
	alone = time_page();
	all_use(space);
	all = time_page();
	nobody_uses();
	return bench_share(alone, all, remote);
}
BENCH(tlb_page_remote, "tlb.page.remote", 2, RECEIVERS_SPIN, page_remote);

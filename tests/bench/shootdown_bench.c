/*
 * The ways of shootdown side by side (tests/schemes), all called in the same way: the flush of one
 * page, with its frame in hand, until the scheme returns. What targeted costs here beyond
 * tlb.page.remote is the call through a pointer, and the IPIs as a whole instead of for each.
 *
 * What deferred saves its caller is paid at ticks: tlb.deferred.tick.idle is one of a CPU for which
 * there is nothing to do, .behind of one that has missed something, .reclaim of the one that
 * unmapped, when all have flushed.
 */
#include "bench.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/mm.h>
#include <arch/mmu.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/aspace.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <tests/schemes/shootdown.h>

#define BASE (1ul << 32)
#define REST 600 /* ticks until the receivers are back in their loops */

static struct aspace *space;

static void use(void *info)
{
	aspace_switch(info);
}

static void begin(const struct shootdown_scheme *scheme)
{
	bench_must(shootdown_scheme_use(scheme));
	space = aspace_create();
	bench_must(!space);
	bench_must(aspace_populate(space, BASE, PAGE_SIZE, 1, MAP_WRITE));
}

static void end(void)
{
	bench_must(on_each_cpu(use, NULL, true));
	aspace_use(NULL);
	bench_must(aspace_destroy(space));
	bench_must(shootdown_scheme_use(NULL));
}

static void rest(void)
{
	uint64_t start = cycles();

	while (cycles() - start < REST)
		cpu_relax();
}

static void tick(void *info)
{
	(void)info;
	deferred_tick();
}

/* The page stays mapped: it is the flush alone that is timed. A frame goes with it each time. */
static uint64_t time_flush(const struct shootdown_scheme *scheme)
{
	uint64_t frame = page_alloc(1), taken = frame | 1, start, ticks;
	struct shootdown what = {
		.aspace = space,
		.start = BASE,
		.pages = 1,
		.count = 1,
		.frames = &taken,
	};

	bench_must(!frame);
	rest();
	bench_must(aspace_lock(&space->lock));
	start = cycles_ordered();
	if (scheme->flush(&what))
		shootdown_put(taken);
	ticks = cycles_ordered() - start;
	aspace_unlock(&space->lock);
	return ticks;
}

/* As the ticks would, so that the wait behind it finds nothing. */
static void settle(const struct shootdown_scheme *scheme)
{
	if (scheme->settle)
		bench_must(on_each_cpu(tick, NULL, true));
	bench_must(shootdown_settle(scheme, space));
}

static void all_use(void)
{
	aspace_use(space);
	bench_must(on_each_cpu(use, space, true));
}

static uint64_t page(const struct shootdown_scheme *scheme)
{
	uint64_t ticks;

	all_use();
	ticks = time_flush(scheme);
	settle(scheme);
	return ticks;
}

/* CPU 0 and the receiver use the space; the others spin, and use nothing. */
static uint64_t page_few(const struct shootdown_scheme *scheme)
{
	uint64_t ticks;

	aspace_use(space);
	bench_must(smp_call_function_single(RECEIVER, use, space, true));
	ticks = time_flush(scheme);
	settle(scheme);
	return ticks;
}

#define SHOOTDOWN_BENCHES(scheme) \
	static void scheme##_begin(void) \
	{ \
		begin(&scheme##_scheme); \
	} \
	static uint64_t scheme##_page(void) \
	{ \
		return page(&scheme##_scheme); \
	} \
	BENCH_FEW_BETWEEN(scheme##_page, "tlb." #scheme ".page", 2, RECEIVERS_SPIN, scheme##_page, \
			  scheme##_begin, end); \
	static uint64_t scheme##_page_few(void) \
	{ \
		return page_few(&scheme##_scheme); \
	} \
	BENCH_FEW_BETWEEN(scheme##_page_few, "tlb." #scheme ".page.few", 3, RECEIVERS_SPIN, \
			  scheme##_page_few, scheme##_begin, end)

SHOOTDOWN_BENCHES(targeted);
SHOOTDOWN_BENCHES(broadcast);
SHOOTDOWN_BENCHES(deferred);

static uint64_t time_tick(void)
{
	unsigned long flags = irq_save();
	uint64_t start = cycles_ordered(), ticks;

	deferred_tick();
	ticks = cycles_ordered() - start;
	irq_restore(flags);
	return ticks;
}

static uint64_t tick_idle(void)
{
	all_use();
	return time_tick();
}
BENCH_FEW_BETWEEN(tick_idle, "tlb.deferred.tick.idle", 2, RECEIVERS_SPIN, tick_idle, deferred_begin,
		  end);

static void tick_timed(void *ticks)
{
	*(uint64_t *)ticks = time_tick();
}

static uint64_t tick_behind(void)
{
	uint64_t ticks;

	all_use();
	time_flush(&deferred_scheme);
	bench_must(smp_call_function_single(RECEIVER, tick_timed, &ticks, true));
	settle(&deferred_scheme);
	return ticks;
}
BENCH_FEW_BETWEEN(tick_behind, "tlb.deferred.tick.behind", 2, RECEIVERS_SPIN, tick_behind,
		  deferred_begin, end);

static uint64_t tick_reclaim(void)
{
	all_use();
	time_flush(&deferred_scheme);
	bench_must(smp_call_function(tick, NULL, true));
	return time_tick();
}
BENCH_FEW_BETWEEN(tick_reclaim, "tlb.deferred.tick.reclaim", 2, RECEIVERS_SPIN, tick_reclaim,
		  deferred_begin, end);

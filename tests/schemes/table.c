/*
 * The classical scheme: what is to be called stands in one table for all CPUs, behind one
 * lock. Each CPU that was sent the IPI reads it and counts itself as started, runs the
 * function and counts itself as finished. The caller waits for the one or the other, and
 * only then gives the table away.
 *
 *   caller                               each target
 *   takes the turn
 *   func, info, wait, finished ← 0
 *   started ← 0 (release) ─ IPI ───────► started (acquire), func, info, wait
 *   started == count (acquire) ◄──────── started + 1 (release): has read the table
 *                                        func(info)
 *   finished == count (acquire) ◄─────── finished + 1 (release), if it is waited for
 *   gives the turn back
 *
 * No IPI merges with another one: none is sent before all of the last call started. That
 * is also why it is one call at a time, for the whole machine: what it costs shows when
 * several CPUs call.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>
#include <tests/schemes/named.h>
#include <tests/schemes/scheme.h>
#include <tests/schemes/turn.h>

#define NAME "table"

static struct turn turn __attribute__((aligned(CACHE_LINE)));

/* The counters, which all targets write, are apart from what they read. */
static struct {
	smp_call_func_t func;
	void *info;
	bool wait;
	_Atomic uint32_t started __attribute__((aligned(CACHE_LINE)));
	_Atomic uint32_t finished;
} table __attribute__((aligned(CACHE_LINE)));

static void on_ipi(void)
{
	smp_call_func_t func;
	void *info;
	bool wait;

	/*
	 * The IPI does not overtake the store that precedes it (arch_send_ipi), so this load
	 * finds what that stored or a later value: it acquires the table.
	 */
	atomic_load_explicit(&table.started, memory_order_acquire);
	func = table.func;
	info = table.info;
	wait = table.wait;
	/* Release: the next caller may write there, our reads are done. */
	atomic_fetch_add_explicit(&table.started, 1, memory_order_release);
	func(info);
	if (wait)
		atomic_fetch_add_explicit(&table.finished, 1, memory_order_release);
}

static inline void fill(smp_call_func_t func, void *info, bool wait)
{
	table.func = func;
	table.info = info;
	table.wait = wait;
	atomic_store_explicit(&table.finished, 0, memory_order_relaxed);
	atomic_store_explicit(&table.started, 0, memory_order_release);
}

/* Who finished had started: it is enough to wait for that. */
static inline _Atomic uint32_t *counter(bool wait)
{
	return wait ? &table.finished : &table.started;
}

static int table_single(unsigned long cpu, smp_call_func_t func, void *info, bool wait)
{
	int error;

	if (!func || cpu >= nr_cpus)
		return -EINVAL;
	if (cpu == this_cpu->index)
		return smp_call_function_single(cpu, func, info, wait);
	if (!peer_queue(cpu))
		return -ENXIO;
	if (irqs_disabled())
		return -EDEADLK;
	if (!turn_take(&turn, NAME))
		return -ENXIO;
	fill(func, info, wait);
	irq_disable();
	named_send_one(cpu);
	irq_enable();
	error = turn_until(counter(wait), 1, cpu, NULL, func, NAME);
	turn_end(&turn, error);
	return error;
}

static int table_many(const struct cpumask *mask, smp_call_func_t func, void *info, bool wait)
{
	struct named named;
	int error;

	if (!func || !mask)
		return -EINVAL;
	named_find(&named, mask);
	if (!named.count)
		return 0;
	if (irqs_disabled())
		return -EDEADLK;
	if (!turn_take(&turn, NAME))
		return -ENXIO;
	fill(func, info, wait);
	irq_disable();
	named_send(&named);
	irq_enable();
	error = turn_until(counter(wait), named.count, 0, &named.others, func, NAME);
	turn_end(&turn, error);
	return error;
}

const struct call_scheme table_scheme = {
	.name = NAME,
	.single = table_single,
	.many = table_many,
	.on_ipi = on_ipi,
	.turn = &turn,
};

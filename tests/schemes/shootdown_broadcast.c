/*
 * The classical shootdown: one slot for all, a lock, and an IPI to every CPU, whether or not
 * it uses the space. It needs to know nothing of who uses what, and so it interrupts all.
 *
 *   sender, with the space's lock       each CPU that is online
 *   takes the turn
 *   gen ← gen + 2   (exchange, full)
 *   what, gen
 *   left ← CPUs (release)
 *   one IPI to all others ────────────► left (acquire), what, gen
 *   flushes its own TLB                 flushes if it has the tables loaded
 *                                       left ← left − 1 (release)
 *   left == 0 (acquire) ◄──────────────
 *   gives the turn back
 *
 * A CPU that begins to use the space meanwhile has interrupts off until it has read gen; the
 * IPI comes behind that, or the CPU reads the new one and walks the new tables. All answer by
 * the same word: that is what the line costs which so many write to.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>
#include <stddef.h>
#include <tests/schemes/named.h>
#include <tests/schemes/shootdown.h>
#include <tests/schemes/turn.h>

#define NAME "broadcast"

static struct turn turn __attribute__((aligned(CACHE_LINE)));

/* A copy: where a target was stopped, others may still come to read it. */
static struct {
	struct shootdown what;
	uint64_t gen;
	_Atomic uint32_t left __attribute__((aligned(CACHE_LINE)));
} slot __attribute__((aligned(CACHE_LINE)));

static void flush(void *info)
{
	(void)info;
	shootdown_flush_here(&slot.what, slot.gen);
}

static void on_ipi(void)
{
	/* Acquires the slot: the IPI does not overtake the store that precedes it. */
	atomic_load_explicit(&slot.left, memory_order_acquire);
	flush(NULL);
	/* Release: what was read and written here through old translations comes before. */
	atomic_fetch_sub_explicit(&slot.left, 1, memory_order_release);
}

/* Has the turn. The others flush while this CPU does. */
static int flush_all(const struct shootdown *what)
{
	struct named named;

	irq_disable();
	slot.gen = shootdown_raise(what);
	slot.what = *what;
	named_find(&named, &cpu_online_mask);
	atomic_store_explicit(&slot.left, named.count, memory_order_release);
	if (named.count)
		named_send(&named);
	flush(NULL);
	irq_enable();
	if (!named.count)
		return 0;
	return turn_until(&slot.left, 0, 0, &named.others, flush, NAME);
}

/* A flush cannot fail: where a CPU was stopped for good, the kernel's does not wait for it. */
static bool broadcast_flush(const struct shootdown *what)
{
	int error = -ETIMEDOUT;

	if (turn_take(&turn, NAME)) {
		error = flush_all(what);
		turn_end(&turn, error);
	}
	if (error)
		shootdown_by_kernel(what);
	return true;
}

static int start(void)
{
	if (irq_register(EXAMPLE_VECTOR, on_ipi))
		return -EBUSY;
	atomic_store_explicit(&turn.holder, TURN_FREE, memory_order_relaxed);
	return 0;
}

/* Whoever flushed has waited for all: no IPI is on its way. */
static int stop(void)
{
	irq_register(EXAMPLE_VECTOR, NULL);
	return 0;
}

const struct shootdown_scheme broadcast_scheme = {
	.name = NAME,
	.flush = broadcast_flush,
	.start = start,
	.stop = stop,
};

/*
 * A lock and a slot: the caller fills it for one CPU, nudges that CPU, and waits until it
 * took the letter out, or until it has done what it says. This is what a small test
 * kernel needs, and is the shortest scheme of all.
 *
 *   caller                              target
 *   takes the turn
 *   func, info, kind
 *   done ← 0 (release) ─ IPI ─────────► done (acquire), func, info, kind
 *                                       ANSWERED, COUNTED: done ← 1 (release)
 *                                       func(info)
 *                                       WAITED: done ← 1;  COUNTED: left − 1 (release)
 *   done == 1 (acquire) ◄───────────────
 *   gives the turn back
 *
 * A call to many is one letter after the other: the targets' functions overlap, but not
 * the IPIs on their way there.
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

#define NAME "mailbox"

enum kind {
	TAKEN,   /* the caller waits until the letter was taken out */
	COUNTED, /* the same; later it waits for all that were sent */
	WAITED,  /* it waits until the function has run */
};

static struct turn turn __attribute__((aligned(CACHE_LINE)));

static struct {
	smp_call_func_t func;
	void *info;
	enum kind kind;
	_Atomic uint32_t done __attribute__((aligned(CACHE_LINE)));
	_Atomic uint32_t left; /* of a waited call to many: functions that have not run */
} slot __attribute__((aligned(CACHE_LINE)));

static void on_ipi(void)
{
	smp_call_func_t func;
	enum kind kind;
	void *info;

	/* Acquires the letter: the IPI does not overtake the store that precedes it. */
	atomic_load_explicit(&slot.done, memory_order_acquire);
	func = slot.func;
	info = slot.info;
	kind = slot.kind;
	/* Release: our reads are done, the slot may be filled again. */
	if (kind != WAITED)
		atomic_store_explicit(&slot.done, 1, memory_order_release);
	func(info);
	if (kind == WAITED)
		atomic_store_explicit(&slot.done, 1, memory_order_release);
	else if (kind == COUNTED)
		atomic_fetch_sub_explicit(&slot.left, 1, memory_order_release);
}

/* Has the turn. */
static inline int deliver(unsigned int cpu, smp_call_func_t func, void *info, enum kind kind)
{
	slot.func = func;
	slot.info = info;
	slot.kind = kind;
	atomic_store_explicit(&slot.done, 0, memory_order_release);
	irq_disable();
	named_send_one(cpu);
	irq_enable();
	return turn_until(&slot.done, 1, cpu, NULL, func, NAME);
}

static int mailbox_single(unsigned long cpu, smp_call_func_t func, void *info, bool wait)
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
	error = deliver(cpu, func, info, wait ? WAITED : TAKEN);
	turn_end(&turn, error);
	return error;
}

static int deliver_to_all(const struct named *named, smp_call_func_t func, void *info, bool wait)
{
	int error;

	atomic_store_explicit(&slot.left, named->count, memory_order_relaxed);
	for_each_cpu(cpu, &named->others) {
		error = deliver(cpu, func, info, wait ? COUNTED : TAKEN);
		if (error)
			return error;
	}
	return wait ? turn_until(&slot.left, 0, 0, &named->others, func, NAME) : 0;
}

static int mailbox_many(const struct cpumask *mask, smp_call_func_t func, void *info, bool wait)
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
	error = deliver_to_all(&named, func, info, wait);
	turn_end(&turn, error);
	return error;
}

const struct call_scheme mailbox_scheme = {
	.name = NAME,
	.single = mailbox_single,
	.many = mailbox_many,
	.on_ipi = on_ipi,
	.turn = &turn,
};

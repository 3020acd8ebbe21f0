/*
 * The broadcast timer. HPET or PIT interrupt the keeper, which counts down for every CPU that
 * asked, and sends LOCAL_TIMER_VECTOR to those that are at 0: they cannot tell it from a timer
 * of their own. Counting ticks, not comparing times, it needs no two clocks that agree.
 *
 * Found out once, by whichever CPU needs it first; others that come meanwhile wait for that:
 *
 *   UNTRIED ──► TRYING ──(an interrupt came)──► WORKS    the keeper is who tried
 *                  └─────────(none came)──────► ABSENT
 *
 * While nobody waits, the keeper masks the pin and rests; who then asks wakes it up by an IPI
 * on the device's vector. Its ticks are late while the keeper holds interrupts off, and where
 * it never lets them in again, none comes any more.
 */
#include "broadcast.h"
#include "hpet.h"
#include "io.h"
#include "ioapic.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/console/printk.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>
#include <stdatomic.h>

#define TICK_HZ     1000
#define TICK_NS     (1000000000ull / TICK_HZ)
#define TRY_US      20000 /* many ticks: an emulator may be slow */
#define TRY_STEP_US 10

#define TIMER_VECTOR 32 /* IRQ 0 */

#define PIT_HZ             1193182
#define PIT_CHANNEL0       0x40
#define PIT_COMMAND        0x43
#define PIT_CHANNEL0_MODE2 0x34 /* both bytes, again and again */

enum { UNTRIED, TRYING, WORKS, ABSENT };
static atomic_uint state;
static unsigned int keeper;
static atomic_bool resting; /* the keeper, and the pin is masked */

void broadcast_init(const struct madt *madt)
{
	ioapic_init(madt);
	hpet_init();
}

/* Leaves all that may have asked meanwhile in the count: one tick more is no harm. */
static bool count_down(struct cpumask *over)
{
	bool any = false;

	for_each_cpu(cpu, &cpu_online_mask) {
		_Atomic uint64_t *ticks = &cpus[cpu]->arch.timer_ticks;
		uint64_t left = atomic_load_explicit(ticks, memory_order_relaxed);

		if (!left)
			continue;
		any = true;
		/* It may have asked anew since. */
		if (atomic_compare_exchange_strong_explicit(ticks, &left, left - 1,
							    memory_order_relaxed,
							    memory_order_relaxed) &&
		    left == 1)
			cpumask_set(over, cpu);
	}
	return any;
}

static bool anybody_waits(void)
{
	for_each_cpu(cpu, &cpu_online_mask) {
		if (atomic_load_explicit(&cpus[cpu]->arch.timer_ticks, memory_order_seq_cst))
			return true;
	}
	return false;
}

/*
 * Either the keeper, looking once more, sees who asks, or that one sees that the keeper
 * rests: each writes first and then reads, all in one order.
 */
static void rest_while_nobody_waits(void)
{
	atomic_store_explicit(&resting, true, memory_order_seq_cst);
	ioapic_mask_timer(true);
	if (!anybody_waits())
		return;
	atomic_store_explicit(&resting, false, memory_order_relaxed);
	ioapic_mask_timer(false);
}

/* On the keeper: the device's tick, or an IPI of somebody who found it at rest. */
static void on_tick(void)
{
	struct cpumask over = { 0 };
	bool was_resting = atomic_exchange_explicit(&resting, false, memory_order_relaxed);
	bool any = count_down(&over);

	arch_send_ipi_mask(&over, LOCAL_TIMER_VECTOR);
	if (!any)
		rest_while_nobody_waits();
	else if (was_resting)
		ioapic_mask_timer(false);
}

static int pit_start_ticking(unsigned int hz)
{
	unsigned int count = PIT_HZ / hz;

	outb(PIT_COMMAND, PIT_CHANNEL0_MODE2);
	outb(PIT_CHANNEL0, (uint8_t)count);
	outb(PIT_CHANNEL0, (uint8_t)(count >> 8));
	return 0;
}

/* Interrupts are off: that one came is seen by its bit in this CPU's IRR. */
static bool interrupt_comes(void)
{
	bool came = false;

	ioapic_mask_timer(false);
	for (unsigned int us = 0; us < TRY_US && !came; us += TRY_STEP_US) {
		udelay(TRY_STEP_US);
		came = arch_ipi_pending((enum ipi_vector)TIMER_VECTOR);
	}
	if (!came)
		ioapic_mask_timer(true);
	return came;
}

static bool try_source(const char *name, int (*start_ticking)(unsigned int hz))
{
	if (start_ticking(TICK_HZ) || !interrupt_comes())
		return false;
	printk("timer: %s ticks for all CPUs, by way of CPU %u\n", name, keeper);
	return true;
}

static bool find_source(enum broadcast_source wanted)
{
	keeper = this_cpu->index;
	if (irq_register(TIMER_VECTOR, on_tick))
		return false;
	if (!ioapic_route_timer(TIMER_VECTOR, this_cpu->arch.apic_id) &&
	    ((wanted != BROADCAST_PIT && try_source("HPET", hpet_start_ticking)) ||
	     (wanted != BROADCAST_HPET && try_source("PIT", pit_start_ticking))))
		return true;
	printk("timer: neither HPET nor PIT interrupt CPU %u: there are no ticks\n", keeper);
	irq_register(TIMER_VECTOR, NULL);
	return false;
}

/* Who waits for another CPU's attempt needs nothing but time, and it is bounded. */
static bool works(enum broadcast_source wanted)
{
	unsigned int before = UNTRIED;

	if (atomic_compare_exchange_strong_explicit(&state, &before, TRYING, memory_order_relaxed,
						    memory_order_relaxed)) {
		/* Release: who sees that it works sees the keeper. */
		atomic_store_explicit(&state, find_source(wanted) ? WORKS : ABSENT,
				      memory_order_release);
	}
	while (atomic_load_explicit(&state, memory_order_acquire) == TRYING)
		cpu_relax();
	return atomic_load_explicit(&state, memory_order_relaxed) == WORKS;
}

int broadcast_oneshot(uint64_t ns, enum broadcast_source wanted)
{
	if (!works(wanted))
		return -ENODEV;
	/* The tick under way counts, too, though it is over at any time. */
	atomic_store_explicit(&this_cpu->self->arch.timer_ticks, ns / TICK_NS + 2,
			      memory_order_seq_cst);
	if (atomic_load_explicit(&resting, memory_order_seq_cst))
		arch_send_ipi(keeper, (enum ipi_vector)TIMER_VECTOR);
	return 0;
}

void broadcast_stop(void)
{
	atomic_store_explicit(&this_cpu->self->arch.timer_ticks, 0, memory_order_relaxed);
}

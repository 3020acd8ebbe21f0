/*
 * The broadcast timer. HPET or PIT interrupt the keeper, which counts down for every CPU that
 * asked, and sends LOCAL_TIMER_VECTOR to those that are at 0: they cannot tell it from a timer
 * of their own. It counts by its own clock, so that no two clocks need agree, and that ticks
 * which came while it held interrupts off, and were merged, are not lost.
 *
 * Found out once, by whichever CPU needs it first; others that come meanwhile wait for that:
 *
 *   UNTRIED ──► TRYING ──(an interrupt came)──► WORKS    the keeper is who tried
 *                  └─────────(none came)──────► ABSENT
 *
 * While nobody waits, the keeper masks the pin and rests; who then asks wakes it up by an IPI
 * on the device's vector. All are late while the keeper holds interrupts off, and where it
 * never lets them in again, none comes any more.
 */
#include "broadcast.h"
#include "hpet.h"
#include "io.h"
#include "ioapic.h"
#include "pit.h"
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
#define TRY_US      500000 /* many ticks: an emulator may be slow */
#define TRY_STEP_US 10

enum { UNTRIED, TRYING, WORKS, ABSENT };
static atomic_uint state;
static unsigned int keeper;
static uint64_t counted_to; /* by its clock_ns */
static atomic_bool resting; /* it does, and the pin is masked */

void broadcast_init(const struct madt *madt)
{
	ioapic_init(madt);
	hpet_init();
}

/* How many ticks are over, by this CPU's clock; none if it ran backwards. */
static uint64_t ticks_passed(void)
{
	int64_t ns = (int64_t)(clock_ns() - counted_to);
	uint64_t ticks = ns > 0 ? (uint64_t)ns / TICK_NS : 0;

	counted_to = ns < 0 ? clock_ns() : counted_to + ticks * TICK_NS;
	return ticks;
}

/* Whether anybody waited. Who asks anew meanwhile is left alone. */
static bool count_down(uint64_t passed, struct cpumask *over)
{
	bool any = false;

	for_each_cpu(cpu, &cpu_online_mask) {
		_Atomic uint64_t *ticks = &cpus[cpu]->arch.timer_ticks;
		uint64_t left = atomic_load_explicit(ticks, memory_order_relaxed);

		if (!left)
			continue;
		any = true;
		if (atomic_compare_exchange_strong_explicit(ticks, &left,
							    left > passed ? left - passed : 0,
							    memory_order_relaxed,
							    memory_order_relaxed) &&
		    left <= passed)
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

/* Somebody asked: time is counted from now on. */
static void end_rest(void)
{
	counted_to = clock_ns();
	ioapic_mask_timer(false);
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
	end_rest();
}

static void tell(const struct cpumask *over)
{
	this_cpu->ipi_sent[LOCAL_TIMER_VECTOR] += cpumask_weight(over);
	arch_send_ipi_mask(over, LOCAL_TIMER_VECTOR);
}

/* On the keeper: the device's tick, or an IPI of somebody who found it at rest. */
static void on_tick(void)
{
	struct cpumask over = { 0 };

	if (atomic_exchange_explicit(&resting, false, memory_order_relaxed))
		end_rest();
	else if (count_down(ticks_passed(), &over))
		tell(&over);
	else
		rest_while_nobody_waits();
}

static int pit_start_ticking(unsigned int hz)
{
	unsigned int count = PIT_HZ / hz;

	hpet_stop_ticking(); /* the PIT would not be heard */
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
		came = arch_ipi_pending(TICK_VECTOR);
	}
	if (!came)
		ioapic_mask_timer(true);
	return came;
}

static bool try_source(const char *name, int (*start_ticking)(unsigned int hz))
{
	bool comes = !start_ticking(TICK_HZ) && interrupt_comes();

	if (comes)
		printk("timer: %s ticks for all CPUs, by way of CPU %u\n", name, keeper);
	else
		printk("timer: %s does not interrupt CPU %u\n", name, keeper);
	return comes;
}

static bool find_source(enum broadcast_source wanted)
{
	keeper = this_cpu->index;
	counted_to = clock_ns();
	if (irq_register(TICK_VECTOR, on_tick))
		return false;
	if (!ioapic_route_timer(TICK_VECTOR, this_cpu->arch.apic_id) &&
	    ((wanted != BROADCAST_PIT && try_source("HPET", hpet_start_ticking)) ||
	     (wanted != BROADCAST_HPET && try_source("PIT", pit_start_ticking))))
		return true;
	printk("timer: there is none that can be used\n");
	irq_register(TICK_VECTOR, NULL);
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
	/* The tick under way is over at any time, and the time may end in the middle of one. */
	atomic_store_explicit(&this_cpu->self->arch.timer_ticks, ns / TICK_NS + 2,
			      memory_order_seq_cst);
	if (!atomic_load_explicit(&resting, memory_order_seq_cst))
		return 0;
	this_cpu->ipi_sent[TICK_VECTOR]++;
	arch_send_ipi(keeper, TICK_VECTOR);
	return 0;
}

void broadcast_stop(void)
{
	atomic_store_explicit(&this_cpu->self->arch.timer_ticks, 0, memory_order_relaxed);
}

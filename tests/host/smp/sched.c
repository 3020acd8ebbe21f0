/*
 * What a CPU of this machine has instead of the kernel's scheduler: an idle loop, which does one
 * piece of work at a time. So no thread is ever left for another.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/sched/idle.h>
#include <kernel/sched/work.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/reschedule.h>
#include <kernel/smp/waiting.h>
#include <kernel/time/sleep.h>
#include <kernel/time/tick.h>
#include <lib/errno.h>
#include <tests/host/smp/host.h>

#define DEADLINE_NS 60000000000ull

static struct work {
	void (*func)(void *info);
	void *info;
	unsigned int from; /* the CPU that is told when it is done */
	atomic_bool busy;  /* from work_start until func has returned */
} works[HOST_CPUS + 1];

uint32_t preempt_count_read(void)
{
	return host_cpu->preempt_count;
}

void preempt_count_add(uint32_t value)
{
	host_cpu->preempt_count += value;
}

void preempt_count_set_bits(uint32_t bits)
{
	host_cpu->preempt_count |= bits;
}

void preempt_count_clear_bits(uint32_t bits)
{
	host_cpu->preempt_count &= ~bits;
}

/* Nobody is left for another: the loop that runs threads, or idles, looks by itself. */
void preempt_schedule(void) {}

void preempt_check_balance(void)
{
	if (preempt_count() & PREEMPT_BORROWED)
		host_fail("preemption is let in more often than it was held off");
}

void preempt_enable_slowly(void)
{
	preempt_check_balance();
}

int work_start(unsigned int cpu, void (*func)(void *info), void *info)
{
	struct work *work = &works[cpu];

	if (!cpu_online(cpu))
		return -ENXIO;
	if (cpu == this_cpu->index) {
		func(info);
		return 0;
	}
	if (work_busy(cpu))
		return -EBUSY;
	work->func = func;
	work->info = info;
	work->from = this_cpu->index;
	/* Release: pairs with the acquire in do_work. */
	atomic_store_explicit(&work->busy, true, memory_order_release);
	smp_send_reschedule(cpu);
	return 0;
}

bool work_busy(unsigned int cpu)
{
	return atomic_load_explicit(&works[cpu].busy, memory_order_acquire);
}

void work_wait(unsigned int cpu)
{
	uint64_t start = clock_ns();

	irq_disable();
	waiting_begin(cpu, (uint64_t)works[cpu].func);
	while (work_busy(cpu)) {
		if (clock_ns() - start > DEADLINE_NS)
			host_fail("CPU %u has not finished its work", cpu);
		cpu_halt_until_interrupt();
	}
	waiting_end();
	irq_enable();
}

int work_run(unsigned int cpu, void (*func)(void *info), void *info)
{
	int error = work_start(cpu, func, info);

	if (!error)
		work_wait(cpu);
	return error;
}

/* Interrupts off. */
static bool do_work(struct work *work)
{
	unsigned int from;

	if (!atomic_load_explicit(&work->busy, memory_order_acquire))
		return false;
	from = work->from;
	irq_enable();
	work->func(work->info);
	irq_disable();
	/* Release: what func wrote is visible to who sees it done, and may start the next. */
	atomic_store_explicit(&work->busy, false, memory_order_release);
	smp_send_reschedule(from);
	return true;
}

void idle_loop(void)
{
	for (;;) {
		clear_need_resched();
		if (!do_work(&works[this_cpu->index]))
			cpu_halt_until_interrupt();
	}
}

/* Interrupts off on entry and return, on in between. */
static void spin_once(void)
{
	irq_enable();
	cpu_relax();
	irq_disable();
}

int sleep_ns(uint64_t ns)
{
	uint64_t end = clock_ns() + ns;

	irq_disable();
	while ((int64_t)(end - clock_ns()) > 0) {
		if (tick_wake_at(end))
			spin_once();
		else
			cpu_halt_until_interrupt();
	}
	tick_wake_at(0);
	irq_enable();
	return 0;
}

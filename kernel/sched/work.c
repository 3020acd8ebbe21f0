/*
 * Work for other CPUs: a thread for each piece, pinned there, and joined when it is
 * waited for or the next piece comes. The wait uses no timer, so that what is measured
 * has none: that it takes long is seen by the tick, any CPU's.
 */
#include <arch/cpu.h>
#include <arch/time.h>
#include <kernel/console/printk.h>
#include <kernel/sched/work.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/patience.h>
#include <kernel/smp/waiting.h>
#include <kernel/time/tick.h>
#include <lib/errno.h>

#define NOBODY      UINT32_MAX
#define DEADLINE_NS 60000000000ull

static struct work {
	void (*func)(void *info);
	void *info;
	struct thread *thread; /* NULL for none */
} works[MAX_CPUS];

static struct spinlock lock; /* of the two below */
static struct patience patience;
static unsigned int waited_for = NOBODY;

static int do_work(void *info)
{
	struct work *work = info;

	work->func(work->info);
	return 0;
}

static void end(struct work *work)
{
	thread_join(work->thread, NULL);
	work->thread = NULL;
}

int work_start(unsigned int cpu, void (*func)(void *info), void *info)
{
	const struct thread_args args = { .name = "work",
					  .func = do_work,
					  .arg = &works[cpu],
					  .pinned = true,
					  .cpu = cpu };

	if (!cpu_online(cpu))
		return -ENXIO;
	if (cpu == smp_processor_id()) {
		func(info);
		return 0;
	}
	if (work_busy(cpu))
		return -EBUSY;
	if (works[cpu].thread)
		end(&works[cpu]);
	works[cpu].func = func;
	works[cpu].info = info;
	return thread_run(&works[cpu].thread, &args);
}

bool work_busy(unsigned int cpu)
{
	return works[cpu].thread && !thread_is_over(works[cpu].thread);
}

static void note_wait(unsigned int cpu)
{
	unsigned long flags = spin_lock_irqsave(&lock);

	waited_for = cpu;
	patience = patience_begin(clock_ns(), DEADLINE_NS);
	spin_unlock_irqrestore(&lock, flags);
}

void work_wait(unsigned int cpu)
{
	struct work *work = &works[cpu];

	if (!work->thread)
		return;
	note_wait(cpu);
	waiting_begin(cpu, (uint64_t)work->func);
	end(work);
	waiting_end();
	note_wait(NOBODY);
}

/* A tick that finds the lock taken comes again. */
static void on_tick(void)
{
	if (!spin_trylock(&lock))
		return;
	if (waited_for != NOBODY && patience_over(&patience, clock_ns()))
		printk("STALL: CPU %u has not finished its work after %lu s\n", waited_for,
		       patience.limit / 2 / 1000000000);
	spin_unlock(&lock);
}

void work_init(void)
{
	tick_add(TICK_WATCH, on_tick);
}

int work_run(unsigned int cpu, void (*func)(void *info), void *info)
{
	int error = work_start(cpu, func, info);

	if (!error)
		work_wait(cpu);
	return error;
}

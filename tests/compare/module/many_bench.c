/*
 * What calls to many CPUs cost in Linux, and calls by all at once.
 */
#include "bench.h"
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/smp.h>

#define CONTEND_CALLS   1000
#define CONTEND_SAMPLES 3

static void nothing(void *unused) {}

static u64 many_waited(void)
{
	u64 start, end;

	preempt_disable();
	start = cycles_ordered();
	smp_call_function_many(cpu_online_mask, nothing, NULL, true);
	end = cycles_ordered();
	preempt_enable();
	return end - start;
}

static u64 many_unwaited(void)
{
	u64 start, end;

	preempt_disable();
	start = cycles_ordered();
	smp_call_function_many(cpu_online_mask, nothing, NULL, false);
	end = cycles_ordered();
	preempt_enable();
	return end - start;
}

static u64 each_waited(void)
{
	u64 start = cycles_ordered();

	on_each_cpu(nothing, NULL, 1);
	return cycles_ordered() - start;
}

static struct task_struct *callers[NR_CPUS];
static atomic_t running;

static u32 random_next(u32 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/*
 * As the recorded figure was taken. As kernel code that goes on for long does, it offers its CPU
 * to others after each call.
 */
static void call_others(unsigned int self)
{
	u32 state = self + 1, to;

	for (unsigned int i = 0; i < CONTEND_CALLS; i++) {
		do {
			to = random_next(&state) % num_online_cpus();
		} while (to == self);
		smp_call_function_single(to, nothing, NULL, 1);
		cond_resched();
	}
}

/* lib/random.h's. */
static u64 random_below(u64 *state, u64 bound)
{
	u64 z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return mul_u64_u64_shr(z ^ z >> 31, bound, 64);
}

/* The loop of tests/bench/contend.h, and no more. */
static void call_others_alike(unsigned int self)
{
	unsigned int others = num_online_cpus() - 1;
	u64 state = self + 1;

	for (unsigned int i = 0; i < CONTEND_CALLS; i++) {
		unsigned int to = random_below(&state, others);

		smp_call_function_single(to + (to >= self), nothing, NULL, 1);
	}
}

static void (*share)(unsigned int self);

static int caller(void *unused)
{
	set_current_state(TASK_INTERRUPTIBLE);
	schedule();
	__set_current_state(TASK_RUNNING);
	share(raw_smp_processor_id());
	atomic_dec(&running);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static void stop_callers(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
	{
		if (callers[cpu])
			kthread_stop(callers[cpu]);
		callers[cpu] = NULL;
	}
}

/* Without one of them the figure would be another one's: then the machine ends. */
static void start_callers(void)
{
	unsigned int cpu;

	for_each_online_cpu(cpu) {
		if (!cpu)
			continue;
		callers[cpu] = kthread_run_on_cpu(caller, NULL, cpu, "nudge/%u");
		if (IS_ERR(callers[cpu]))
			panic("no thread for call.contend on CPU %u", cpu);
	}
}

/* Ticks for each call, all CPUs at once; one sample is the whole of it. */
static u64 all_at_once(void (*what)(unsigned int self))
{
	unsigned int cpu, online = num_online_cpus();
	u64 start, ticks;

	share = what;
	start_callers();
	schedule_timeout_uninterruptible(2);
	atomic_set(&running, online - 1);
	start = cycles_ordered();
	for_each_online_cpu(cpu) {
		if (cpu)
			wake_up_process(callers[cpu]);
	}
	share(0);
	while (atomic_read(&running))
		cpu_relax();
	ticks = cycles_ordered() - start;
	stop_callers();
	return div_u64(ticks, online * CONTEND_CALLS);
}

static u64 contend(void)
{
	return all_at_once(call_others);
}

static u64 contend_alike(void)
{
	return all_at_once(call_others_alike);
}

const struct bench many_benches[] = {
	{ "call.many.wait.busy", RECEIVERS_SPIN, .sample = many_waited },
	{ "call.many.nowait.send.busy", RECEIVERS_SPIN, .sample = many_unwaited },
	{ "call.each.wait.busy", RECEIVERS_SPIN, .sample = each_waited },
	{ "call.contend", RECEIVER_HALTED, CONTEND_SAMPLES, .sample = contend },
	{ "call.contend.alike", RECEIVER_HALTED, CONTEND_SAMPLES, .sample = contend_alike },
	{},
};

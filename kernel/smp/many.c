/*
 * Calls to many CPUs: one descriptor for each, all there before the first is
 * queued, then as few ICR writes as the targets allow.
 *
 * Who is called is decided word by word while the calls are queued: in the mask,
 * online, and not this CPU, which runs the function itself if it is to. A CPU that
 * comes online after that is not missed by anybody: the call came before it. One that
 * goes is called in vain; its queue stays where it is.
 *
 * The descriptors stand in a row, so whoever waits goes along the row and need not
 * know any more who was called.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/machine.h>
#include <kernel/panic.h>
#include <kernel/sched/preempt.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/queue.h>
#include <lib/errno.h>

#define always_inline inline __attribute__((always_inline))

/* What is known when all is queued. */
struct queued {
	unsigned long count;
	unsigned long not_owed; /* of them, to queues that were not empty */
	uint64_t left_out;      /* not 0: there are online CPUs that are not called */
};

/* The targets among 64 CPUs, the lowest first; those owed an IPI go into this CPU's owed mask. */
static always_inline struct csd *queue_word(uint64_t targets, unsigned long word,
					    smp_call_func_t func, void *info, struct csd *csd,
					    bool waited, struct queued *queued)
{
	uint64_t owed = targets;

	for (uint64_t left = targets; left; left &= left - 1, csd++) {
		unsigned long cpu = word * 64 + arch_lowest_bit(left);

		csd_fill(csd, func, info);
		if (waited)
			csd->dst = (uint16_t)cpu;
		if (__builtin_expect(llist_add(&csd->node, &cpus[cpu]->call_single_queue), 1))
			continue;
		owed &= ~(left & -left);
		queued->not_owed++;
	}
	this_cpu_store(owed.word[word], owed);
	return csd;
}

/* Interrupts off, until all that is owed is sent. */
static always_inline struct queued queue_all(const struct cpumask *mask, smp_call_func_t func,
					     void *info, struct csd *first, bool waited)
{
	struct queued queued = { 0 };
	struct csd *csd = first;
	unsigned long word = 0;

	do {
		uint64_t peers = this_cpu_acquire(peers.word[word]);
		uint64_t targets = peers & cpumask_word(mask, word);

		queued.left_out |= peers ^ targets;
		csd = queue_word(targets, word, func, info, csd, waited, &queued);
	} while (++word < cpumask_words);
	queued.count = (unsigned long)(csd - first);
	this_cpu->calls_queued += queued.count;
	return queued;
}

static void __attribute__((noinline)) send_to_owed(void)
{
	arch_send_ipi_mask(&this_cpu->self->owed, CALL_FUNCTION_VECTOR);
}

/* Hit with the others although they were owed nothing: counted as sent too. */
static void __attribute__((noinline, cold)) count_surplus(unsigned long surplus)
{
	this_cpu->ipi_surplus += surplus;
	this_cpu->ipi_sent[CALL_FUNCTION_VECTOR] += surplus;
}

/*
 * One write for everybody where there is one, unless nobody is owed: it also hits
 * those who were owed none, which costs them an empty drain and saves the sender a
 * write for each. Interrupts have been off since the first compare-and-swap.
 */
static always_inline void send(const struct queued *queued)
{
	unsigned long owed = queued->count - queued->not_owed;

	if (!owed)
		return;
	this_cpu->ipi_sent[CALL_FUNCTION_VECTOR] += owed;
	if (queued->left_out || !arch_has_shorthand()) {
		send_to_owed();
		return;
	}
	arch_send_ipi_shorthand(CALL_FUNCTION_VECTOR);
	if (queued->not_owed)
		count_surplus(queued->not_owed);
}

static unsigned int count_targets(const struct cpumask *mask)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < cpumask_words; i++)
		count += cpumask_word_weight(this_cpu_acquire(peers.word[i]) &
					     cpumask_word(mask, i));
	return count;
}

static bool is_meant(const struct cpumask *mask, bool self)
{
	return self && cpumask_test(mask, this_cpu->index);
}

static int run_here(smp_call_func_t func, void *info)
{
	return smp_call_function_single(this_cpu->index, func, info, true);
}

/* With interrupts off nobody can be waited for; but there may be nobody. */
static int __attribute__((noinline, cold))
wait_with_interrupts_off(const struct cpumask *mask, smp_call_func_t func, void *info, bool self,
			 const void *caller)
{
	if (is_meant(mask, self) && this_cpu->self_calls >= SELF_CALL_DEPTH)
		return -ELOOP;
	if (count_targets(mask)) {
		warn_once_at(caller, "smp: waited call to many CPUs with interrupts off");
		return -EDEADLK;
	}
	return is_meant(mask, self) ? run_here(func, info) : 0;
}

/*
 * This CPU's own part runs while the others are at theirs. Its thread stays until all have
 * answered, since the descriptors are the CPU's.
 */
static always_inline int call_waited(const struct cpumask *mask, smp_call_func_t func, void *info,
				     bool self, const void *caller)
{
	struct queued queued;
	struct csd *csd;
	int error;

	if (irqs_disabled())
		return wait_with_interrupts_off(mask, func, info, self, caller);
	irq_disable();
	csd = this_cpu->csd_wait;
	queued = queue_all(mask, func, info, csd, true);
	send(&queued);
	if (self)
		preempt_disable();
	irq_enable();
	if (is_meant(mask, self))
		run_here(func, info);
	error = csd_wait_row(csd, csd + queued.count);
	if (self)
		preempt_enable();
	return error;
}

/*
 * Two copies, since the longer one has no register left for the difference. The shorter one
 * calls nothing while interrupts are on, so it need not count that preemption is off.
 */
static int no_preempt_text call_others_waited(const struct cpumask *mask, smp_call_func_t func,
					      void *info)
{
	return call_waited(mask, func, info, false, __builtin_return_address(0));
}

static int __attribute__((noinline))
call_each_waited(const struct cpumask *mask, smp_call_func_t func, void *info)
{
	return call_waited(mask, func, info, true, __builtin_return_address(0));
}

/*
 * The free descriptors are not in a row, or too few: then each target is called by itself, as
 * soon as there are enough for all. Interrupts off in and out, and on the same CPU, whose targets
 * are counted.
 */
static bool __attribute__((noinline, cold))
call_one_by_one(const struct cpumask *mask, smp_call_func_t func, void *info, unsigned long flags)
{
	bool found;

	preempt_disable();
	found = csd_wait_for_pool(count_targets(mask), flags);
	preempt_enable();
	if (!found)
		return false;
	for_each_cpu(cpu, mask) {
		if (cpu != this_cpu->index)
			smp_call_function_single(cpu, func, info, false);
	}
	return true;
}

/*
 * That this CPU's own part can run is known before anything is queued. No CPU comes online between
 * the count and the queueing: that happens only while the boot CPU starts them, and nobody calls.
 */
static int __attribute__((noinline))
call_unwaited(const struct cpumask *mask, smp_call_func_t func, void *info, bool self)
{
	unsigned long flags = irq_save();
	struct queued queued;
	struct csd *csd;

	self = is_meant(mask, self);
	if (self && irqs_disabled_flags(flags) && this_cpu->self_calls >= SELF_CALL_DEPTH)
		return -ELOOP;
	csd = csd_claim(count_targets(mask));
	if (csd) {
		queued = queue_all(mask, func, info, csd, false);
		send(&queued);
	} else if (!call_one_by_one(mask, func, info, flags)) {
		irq_restore(flags);
		return -EAGAIN;
	}
	if (!self) {
		irq_restore(flags);
		return 0;
	}
	preempt_disable();
	irq_restore(flags);
	run_here(func, info);
	preempt_enable();
	return 0;
}

/* These end in a jump to the ones above, so whoever called them is the caller there. */
static always_inline int call_mask(const struct cpumask *mask, smp_call_func_t func, void *info,
				   bool wait, bool self)
{
	if (!func || !mask)
		return -EINVAL;
	if (!wait)
		return call_unwaited(mask, func, info, self);
	return self ? call_each_waited(mask, func, info) : call_others_waited(mask, func, info);
}

int smp_call_function_many(const struct cpumask *mask, smp_call_func_t func, void *info, bool wait)
{
	return call_mask(mask, func, info, wait, false);
}

int smp_call_function(smp_call_func_t func, void *info, bool wait)
{
	return call_mask(&cpu_online_mask, func, info, wait, false);
}

int on_each_cpu(smp_call_func_t func, void *info, bool wait)
{
	return call_mask(&cpu_online_mask, func, info, wait, true);
}

int on_each_cpu_mask(const struct cpumask *mask, smp_call_func_t func, void *info, bool wait)
{
	return call_mask(mask, func, info, wait, true);
}

int on_each_cpu_cond_mask(bool (*wanted)(unsigned int cpu, void *info), smp_call_func_t func,
			  void *info, bool wait, const struct cpumask *mask)
{
	struct cpumask chosen = { 0 };

	if (!wanted || !func)
		return -EINVAL;
	for_each_cpu(cpu, mask ? mask : &cpu_online_mask) {
		if (cpu_online(cpu) && wanted(cpu, info))
			cpumask_set(&chosen, cpu);
	}
	/* The mask is on our stack, so this call is none that ends in a jump. */
	if (wait && irqs_disabled())
		return wait_with_interrupts_off(&chosen, func, info, true,
						__builtin_return_address(0));
	return call_mask(&chosen, func, info, wait, true);
}

int smp_call_function_any(const struct cpumask *mask, smp_call_func_t func, void *info, bool wait)
{
	unsigned int me = this_cpu->index, nearest = MAX_CPUS, distance = ~0u;

	if (!func || !mask)
		return -EINVAL;
	for_each_cpu(cpu, mask) {
		if (!cpu_online(cpu) || arch_cpu_distance(me, cpu) >= distance)
			continue;
		nearest = cpu;
		distance = arch_cpu_distance(me, cpu);
	}
	if (nearest == MAX_CPUS)
		return -ENXIO;
	return smp_call_function_single(nearest, func, info, wait);
}

/* That they took it is all that is wanted. */
static void nothing(void *info)
{
	(void)info;
}

int kick_all_cpus_sync(void)
{
	return smp_call_function(nothing, NULL, true);
}

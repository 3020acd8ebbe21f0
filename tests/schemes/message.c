/*
 * All kinds of IPIs by one vector, as on POWER, whose interrupt controllers give a CPU
 * one: each CPU has a word with a bit for each kind of message. A sender sets its bit, and
 * nudges the CPU if the word was empty; the CPU takes the word and looks at each bit.
 * What a call is to run is in the same queue and descriptors as ever.
 *
 *   sender                                   target
 *   queues its descriptor: was it empty?
 *     its bit into the word (release)
 *     was the word empty? ─ IPI ───────────► word ← 0 (acquire), then what the bits say
 *
 * Both answers are those of an atomic step, as that of the queue is; so of all who set
 * bits in an empty word exactly one hears yes, and who finds it not empty set its bit
 * before the CPU takes the word. The next IPI to a CPU follows the exchange that took the
 * word of the last one, so that no more than one is on its way, and none if the word is
 * empty.
 *
 * A bit has no state beside it: "stop", "come by", "look into your queue" say the same if
 * they are said twice. Such messages can be acted on at once, in the order of their
 * urgency. What has state, here the calls, is in the queue, one after the other.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/queue.h>
#include <lib/errno.h>
#include <tests/schemes/named.h>
#include <tests/schemes/scheme.h>

static struct {
	_Atomic uint32_t messages;
} __attribute__((aligned(CACHE_LINE))) words[MAX_CPUS];

IPI_PATH static void on_ipi(void)
{
	uint32_t messages =
		atomic_exchange_explicit(&words[this_cpu->index].messages, 0, memory_order_acquire);

	if (messages & 1u << MESSAGE_RESCHEDULE)
		this_cpu->irq_count[RESCHEDULE_VECTOR]++;
	if (messages & 1u << MESSAGE_CALL)
		csd_drain();
}

/* Whether the CPU is owed an IPI for it. Release: pairs with the exchange in on_ipi. */
static inline bool leave(unsigned long cpu, enum message message)
{
	return !atomic_fetch_or_explicit(&words[cpu].messages, 1u << message, memory_order_release);
}

static inline void pass(unsigned long cpu, enum message message)
{
	if (leave(cpu, message))
		named_send_one(cpu);
}

void message_pass(unsigned int cpu, enum message message)
{
	pass(cpu, message);
}

static bool is_quiet(void)
{
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		if (atomic_load_explicit(&words[cpu].messages, memory_order_relaxed))
			return false;
	}
	return true;
}

/*
 * As many free descriptors of the pool in a row; NULL: there are none. Interrupts off in and out,
 * and on the same CPU, whose targets were counted.
 */
static struct csd *__attribute__((noinline)) claim_later(unsigned int count, unsigned long flags)
{
	struct csd *csd = NULL;

	preempt_disable();
	if (csd_wait_for_pool(count, flags))
		csd = csd_claim(count);
	preempt_enable_no_resched();
	return csd;
}

static inline struct csd *claim(unsigned int count, unsigned long flags)
{
	struct csd *csd = csd_claim(count);

	return csd ? csd : claim_later(count, flags);
}

static int __attribute__((noinline)) refuse(int error, unsigned long flags)
{
	irq_restore(flags);
	return error;
}

/*
 * As in kernel/smp/call.c, apart, so that the common way saves few registers; and not left while
 * it waits, since the descriptors are the CPU's.
 */
static int no_preempt_text call_waited(unsigned long cpu, smp_call_func_t func, void *info,
				       struct llist_head *queue)
{
	struct csd *csd = this_cpu->csd_wait;

	csd_fill(csd, func, info);
	csd->dst = (uint16_t)cpu;
	if (csd_enqueue(csd, queue))
		pass(cpu, MESSAGE_CALL);
	irq_enable();
	return csd_wait(csd);
}

static int __attribute__((noinline))
call_unwaited(unsigned long cpu, smp_call_func_t func, void *info, struct llist_head *queue,
	      unsigned long flags)
{
	struct csd *csd = claim(1, flags);

	if (!csd)
		return refuse(-EAGAIN, flags);
	csd_fill(csd, func, info);
	if (csd_enqueue(csd, queue))
		pass(cpu, MESSAGE_CALL);
	irq_restore(flags);
	return 0;
}

static int message_single(unsigned long cpu, smp_call_func_t func, void *info, bool wait)
{
	struct llist_head *queue;
	unsigned long flags;

	if (!func || cpu >= MAX_CPUS)
		return -EINVAL;
	flags = irq_save();
	queue = peer_queue(cpu);
	if (!queue) {
		irq_restore(flags);
		return smp_call_function_single(cpu, func, info, wait);
	}
	if (!wait)
		return call_unwaited(cpu, func, info, queue, flags);
	if (irqs_disabled_flags(flags))
		return -EDEADLK;
	return call_waited(cpu, func, info, queue);
}

static inline bool queue_one(unsigned long cpu, smp_call_func_t func, void *info, struct csd *csd)
{
	csd_fill(csd, func, info);
	csd->dst = (uint16_t)cpu;
	return csd_enqueue(csd, &cpus[cpu]->call_single_queue) && leave(cpu, MESSAGE_CALL);
}

/* Queues for each, and leaves in named those who are owed an IPI. */
static void queue_for_all(struct named *named, smp_call_func_t func, void *info, struct csd *csd)
{
	for (unsigned int i = 0; i < cpumask_words; i++) {
		uint64_t owed = cpumask_word(&named->others, i);

		for (uint64_t left = owed; left; left &= left - 1) {
			if (queue_one(i * 64 + arch_lowest_bit(left), func, info, csd++))
				continue;
			owed &= ~(left & -left);
			named->count--;
			named->all = false;
		}
		cpumask_set_word(&named->others, i, owed);
	}
}

/* Interrupts come on only here, where the thread is not left, as in call_waited. */
static int no_preempt_text wait_for_all(unsigned int called)
{
	struct csd *row = this_cpu->csd_wait;

	irq_enable();
	return csd_wait_row(row, row + called);
}

static int message_many(const struct cpumask *mask, smp_call_func_t func, void *info, bool wait)
{
	unsigned int called;
	unsigned long flags;
	struct named named;
	struct csd *csds;

	if (!func || !mask)
		return -EINVAL;
	flags = irq_save();
	named_find(&named, mask);
	if (!named.count)
		return refuse(0, flags);
	if (wait && irqs_disabled_flags(flags))
		return refuse(-EDEADLK, flags);
	csds = wait ? this_cpu->csd_wait : claim(named.count, flags);
	if (!csds)
		return refuse(-EAGAIN, flags);
	called = named.count;
	queue_for_all(&named, func, info, csds);
	if (named.count)
		named_send(&named);
	if (wait)
		return wait_for_all(called);
	irq_restore(flags);
	return 0;
}

const struct call_scheme message_scheme = {
	.name = "message",
	.single = message_single,
	.many = message_many,
	.anywhere = true,
	.on_ipi = on_ipi,
	.is_quiet = is_quiet,
};

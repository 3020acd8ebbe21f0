/*
 * Every CPU's tick looks at the next online CPU's queues: one that holds something
 * and was not emptied since the deadline is reported, even if nobody waits for it.
 *
 * The next CPU may be deaf to its own tick. Then nobody would look at the one behind
 * it, so the look goes on until a CPU whose tick is alive.
 */
#include <arch/cpu.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/console/printk.h>
#include <kernel/debug/symbols.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/irq_work.h>
#include <kernel/smp/stall.h>
#include <kernel/smp/watch.h>
#include <kernel/time/tick.h>
#include <lib/age.h>
#include <lib/printf.h>
#include <stddef.h>

#define TICKS_IN_DEADLINE 4
#define LATE_TICKS        2    /* as many missed, and a CPU counts as deaf */
#define WALK_MAX          4096 /* nodes of a queue that is read while it may change */
#define TEXT              200

static_assert(offsetof(struct csd, node) == offsetof(struct irq_work, node) &&
		      offsetof(struct csd, func) == offsetof(struct irq_work, func) &&
		      offsetof(struct csd, node) == offsetof(struct thread, wake_node) &&
		      offsetof(struct csd, func) == offsetof(struct thread, func),
	      "so much of all three is read alike");

/*
 * The oldest node, and how many there are; false if the queue was emptied meanwhile,
 * for then what was read may be anything.
 */
static bool find_oldest(unsigned int cpu, enum stall_queue queue, struct csd *oldest,
			unsigned int *count)
{
	uint64_t progress = stall_queue_progress(cpu, queue);
	const struct llist_node *node = stall_queue_first(cpu, queue);

	for (*count = 0; node && *count < WALK_MAX; ++*count) {
		if (probe_read(oldest, node, sizeof(*oldest)))
			return false;
		node = oldest->node.next;
	}
	return *count && stall_queue_first(cpu, queue) &&
	       stall_queue_progress(cpu, queue) == progress;
}

static void describe(unsigned int cpu, enum stall_queue queue, char *text)
{
	char func[80], from[32] = "";
	struct csd oldest;
	unsigned int count;

	text[0] = '\0';
	if (!find_oldest(cpu, queue, &oldest, &count))
		return;
	if (queue == STALL_CALLS)
		snprintf(from, sizeof(from), " from CPU %u", oldest.src);
	snprintf(text, TEXT, " (%u in it, the oldest %s%s)", count,
		 symbol_name((uint64_t)oldest.func, func, sizeof(func)), from);
}

static const char *name_of(enum stall_queue queue)
{
	static const char *const names[] = {
		[STALL_CALLS] = "call queue",
		[STALL_IRQ_WORK] = "irq_work queue",
		[STALL_WAKES] = "wake list",
	};

	return names[queue];
}

static void report(unsigned int cpu, enum stall_queue queue, struct queue_watch *watch)
{
	char headline[TEXT + 120], what[TEXT], age[AGE_TEXT];

	if (!watch->reported && !stall_claim(cpu))
		return;
	describe(cpu, queue, what);
	snprintf(headline, sizeof(headline),
		 "STALL: CPU %u has not emptied its %s for %s%s, seen by CPU %u\n", cpu,
		 name_of(queue), age_format(watch->age_ns, age, sizeof(age)), what,
		 this_cpu->index);
	if (stall_report(cpu, queue, headline)) {
		watch->reported = true;
		return;
	}
	patience_again(&watch->patience);
	if (!watch->reported)
		stall_release(cpu);
}

static void say_over(unsigned int cpu, enum stall_queue queue, struct queue_watch *watch)
{
	char age[AGE_TEXT];

	watch->reported = false;
	printk("STALL over: CPU %u emptied its %s, unstuck after %s\n", cpu, name_of(queue),
	       age_format(watch->age_ns, age, sizeof(age)));
	stall_release(cpu);
}

/*
 * The last look may have been another CPU's, by another clock, or the whole machine
 * stood still since: more than the ticks could have missed is not counted.
 */
static uint64_t since_last_look(struct queue_watch *watch)
{
	uint64_t now = clock_ns(), limit = LATE_TICKS * tick_period_ns();
	int64_t passed = (int64_t)(now - watch->looked_at);

	watch->looked_at = now;
	return passed < 0 ? 0 : (uint64_t)passed < limit ? (uint64_t)passed : limit;
}

static void look_at_queue(unsigned int cpu, enum stall_queue queue, struct queue_watch *watch)
{
	bool empty = !stall_queue_first(cpu, queue), was_held = watch->held;
	uint64_t progress = stall_queue_progress(cpu, queue);
	bool moved = empty || progress != watch->progress;

	watch->held = !empty;
	watch->progress = progress;
	watch->age_ns += since_last_look(watch);
	if (moved && watch->reported)
		say_over(cpu, queue, watch);
	if (moved || !was_held) {
		watch->age_ns = 0;
		watch->patience = patience_begin(0, stall_deadline_ns());
	} else if (patience_over(&watch->patience, watch->age_ns)) {
		report(cpu, queue, watch);
	}
}

/* If another CPU is looking at the same place, that is enough. */
static void look_at(struct cpu *cpu)
{
	for (unsigned int queue = 0; queue < STALL_QUEUES; queue++) {
		struct queue_watch *watch = &cpu->queue_watch[queue];

		if (!spin_trylock(&watch->lock))
			continue;
		look_at_queue(cpu->index, queue, watch);
		spin_unlock(&watch->lock);
	}
}

/* The clocks of two CPUs may differ; the worst that comes of it is a look too many. */
static bool seems_deaf(const struct cpu *cpu)
{
	uint64_t last = atomic_load_explicit(&cpu->tick.last, memory_order_relaxed);

	return (int64_t)(clock_ns() - last) > (int64_t)(LATE_TICKS * tick_period_ns());
}

static unsigned int next_online(unsigned int cpu)
{
	cpu = cpumask_next(&cpu_online_mask, cpu + 1);
	return cpu < MAX_CPUS ? cpu : cpumask_next(&cpu_online_mask, 0);
}

static void on_tick(void)
{
	unsigned int cpu = this_cpu->index;

	do {
		cpu = next_online(cpu);
		if (cpu == this_cpu->index || cpu >= MAX_CPUS)
			return;
		look_at(cpus[cpu]);
	} while (seems_deaf(cpus[cpu]));
}

void watch_start(void)
{
	static bool started;

	if (started)
		return;
	started = true;
	tick_add(TICK_WATCH, on_tick);
	if (tick_start(stall_deadline_ns() / TICKS_IN_DEADLINE))
		printk("watch: the local timer cannot be used: only who waits sees a stall\n");
}

void watch_set_deadline_ns(uint64_t ns)
{
	stall_set_deadline_ns(ns);
	tick_set_period(stall_deadline_ns() / TICKS_IN_DEADLINE);
}

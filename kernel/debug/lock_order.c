/*
 * The graph of lock classes: a bit for each pair of which one was taken while the other
 * was held, also by way of others. A new pair whose reverse is there already is a
 * circle: some day two CPUs wait for each other.
 *
 * Spin locks are held with preemption off, so what is held is the CPU's; mutexes are the
 * thread's.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <kernel/debug/lock_order.h>
#include <kernel/panic.h>
#include <kernel/smp/cpu.h>
#include <lib/string.h>
#include <stdatomic.h>

#define CLASSES 64
#define DEPTH   8
#define OWNED   256 /* mutexes at a time; more are not looked at */

enum use {
	TAKEN_IRQS_OFF = 1,
	HELD_IRQS_ON = 2,
	WAITED_FOR_IRQS_OFF = 4,
	REPORTED = 8,
	REPORTED_HELD = 16, /* where it must not be */
};

static struct class
{
	const char *name;
	uint64_t before; /* classes that were taken while this one was held */
	uint8_t uses;
} classes[CLASSES];
static unsigned int class_count;
static atomic_bool graph; /* its lock, which is in no graph */

static struct held {
	const void *lock;
	unsigned int class;
} held[MAX_CPUS][DEPTH];
static unsigned int held_count[MAX_CPUS];

/* Mutexes are held by threads, and so are found by them. The graph's lock guards these, too. */
static struct owned {
	const struct thread *thread; /* NULL: none */
	const void *mutex;
	unsigned int class;
} owned[OWNED];

static bool busy[MAX_CPUS]; /* a report is made: what it locks is not looked at */

static unsigned long begin(void)
{
	unsigned long flags = irq_save();

	while (atomic_exchange_explicit(&graph, true, memory_order_acquire))
		cpu_relax();
	return flags;
}

static void end(unsigned long flags)
{
	atomic_store_explicit(&graph, false, memory_order_release);
	irq_restore(flags);
}

static inline __attribute__((always_inline)) bool is_off(void)
{
	return in_nmi() || busy[this_cpu->index];
}

/* CLASSES when there are too many. */
static unsigned int find(const char *name)
{
	for (unsigned int i = 0; i < class_count; i++) {
		if (classes[i].name == name || !strcmp(classes[i].name, name))
			return i;
	}
	if (class_count == CLASSES)
		return CLASSES;
	classes[class_count].name = name;
	return class_count++;
}

/* With the graph's lock let go, since it prints. */
static void report(const char *what, const char *one, const char *other)
{
	busy[this_cpu->index] = true;
	warn("lock order: %s: %s%s%s", what, one, *other ? ", " : "", other);
	busy[this_cpu->index] = false;
}

/* From where the thread could be moved meanwhile. */
static void report_of_thread(const char *what, const char *one, const char *other)
{
	preempt_disable();
	report(what, one, other);
	preempt_enable();
}

/* All that comes before first comes before second, and what second comes before. */
static void connect(unsigned int first, unsigned int second)
{
	uint64_t behind = classes[second].before | 1ull << second;

	for (unsigned int i = 0; i < class_count; i++) {
		if (i == first || classes[i].before >> first & 1)
			classes[i].before |= behind;
	}
}

/* Whether second may be taken while first is held; it is noted. */
static bool note_order(unsigned int first, unsigned int second)
{
	if (classes[first].before >> second & 1)
		return true;
	if (first == second || classes[second].before >> first & 1) {
		bool known = classes[first].uses & REPORTED;

		classes[first].uses |= REPORTED;
		return known;
	}
	connect(first, second);
	return true;
}

static bool holds(unsigned int cpu, const void *lock)
{
	for (unsigned int i = 0; i < held_count[cpu]; i++) {
		if (held[cpu][i].lock == lock)
			return true;
	}
	return false;
}

void lock_order_before(const void *lock, const char *name, bool irqs_off)
{
	const char *wrong = NULL;
	unsigned long flags;
	unsigned int class;

	if (is_off())
		return;
	flags = begin();
	if (holds(this_cpu->index, lock)) {
		end(flags);
		busy[this_cpu->index] = true;
		panic("lock order: %s is taken by the CPU that holds it", name);
	}
	class = find(name);
	if (class < CLASSES && irqs_off)
		classes[class].uses |= WAITED_FOR_IRQS_OFF;
	for (unsigned int i = 0; class < CLASSES && i < held_count[this_cpu->index]; i++) {
		unsigned int first = held[this_cpu->index][i].class;

		if (!note_order(first, class))
			wrong = classes[first].name;
	}
	end(flags);
	if (wrong)
		report("taken in both orders", wrong, name);
}

void lock_order_taken(const void *lock, const char *name, bool irqs_off)
{
	unsigned int cpu = this_cpu->index;
	bool wrong = false;
	unsigned long flags;
	unsigned int class;

	if (is_off())
		return;
	flags = begin();
	class = find(name);
	if (class < CLASSES && held_count[cpu] < DEPTH) {
		uint8_t bad = HELD_IRQS_ON | WAITED_FOR_IRQS_OFF;

		held[cpu][held_count[cpu]++] = (struct held){ lock, class };
		classes[class].uses |= irqs_off ? TAKEN_IRQS_OFF : HELD_IRQS_ON;
		wrong = (classes[class].uses & (bad | REPORTED)) == bad;
		classes[class].uses |= wrong ? REPORTED : 0;
	}
	end(flags);
	if (wrong)
		report("held with interrupts on, waited for with interrupts off", name, "");
}

void lock_order_let_go(const void *lock, const char *name)
{
	unsigned int cpu = this_cpu->index, i = 0;
	unsigned long flags;

	if (is_off())
		return;
	flags = begin();
	while (i < held_count[cpu] && held[cpu][i].lock != lock)
		i++;
	if (i < held_count[cpu])
		held[cpu][i] = held[cpu][--held_count[cpu]];
	else
		i = DEPTH;
	end(flags);
	if (i == DEPTH)
		report("let go by a CPU that does not hold it", name, "");
}

/* Of those that this CPU holds, the first of a use that was not reported yet; NULL for none. */
static inline __attribute__((always_inline)) const char *held_wrongly(unsigned int uses)
{
	unsigned int cpu = this_cpu->index;

	for (unsigned int i = 0; !is_off() && i < held_count[cpu]; i++) {
		struct class *class = &classes[held[cpu][i].class];

		if (!(class->uses & uses) || class->uses & REPORTED_HELD)
			continue;
		class->uses |= REPORTED_HELD;
		return class->name;
	}
	return NULL;
}

/* As who waits for a call, it is not left: the descriptors are the CPU's. */
void no_preempt_text lock_order_before_wait(const char *what)
{
	const char *wrong = held_wrongly(TAKEN_IRQS_OFF | WAITED_FOR_IRQS_OFF);

	if (!wrong)
		return;
	preempt_disable();
	report(what, wrong, "");
	preempt_enable_no_resched();
}

void lock_order_none_held(const char *where)
{
	const char *wrong = held_wrongly(TAKEN_IRQS_OFF | HELD_IRQS_ON);

	if (wrong)
		report(where, wrong, "");
}

/* The next in the table after one, or the first after NULL, that has that thread; NULL for none. */
static struct owned *next_owned(struct owned *after, const struct thread *thread)
{
	for (struct owned *slot = after ? after + 1 : owned; slot < owned + OWNED; slot++) {
		if (slot->thread == thread)
			return slot;
	}
	return NULL;
}

void lock_order_mutex_before(const char *name)
{
	const char *wrong = NULL;
	unsigned long flags;
	struct owned *slot;
	unsigned int class;

	if (is_off())
		return;
	flags = begin();
	class = find(name);
	for (slot = next_owned(NULL, this_cpu->current); slot && class < CLASSES;
	     slot = next_owned(slot, this_cpu->current)) {
		if (!note_order(slot->class, class))
			wrong = classes[slot->class].name;
	}
	end(flags);
	if (wrong)
		report_of_thread("taken in both orders", wrong, name);
}

void lock_order_mutex_taken(const void *mutex, const char *name)
{
	unsigned long flags = begin();
	struct owned *slot = next_owned(NULL, NULL);
	unsigned int class = find(name);

	if (slot && class < CLASSES)
		*slot = (struct owned){ this_cpu->current, mutex, class };
	end(flags);
}

void lock_order_mutex_let_go(const void *mutex)
{
	unsigned long flags = begin();
	struct owned *slot = next_owned(NULL, this_cpu->current);

	while (slot && slot->mutex != mutex)
		slot = next_owned(slot, this_cpu->current);
	if (slot)
		slot->thread = NULL;
	end(flags);
}

void lock_order_thread_ends(void)
{
	unsigned long flags = begin();
	struct owned *slot;

	while ((slot = next_owned(NULL, this_cpu->current))) {
		const char *name = classes[slot->class].name;

		slot->thread = NULL;
		end(flags);
		report_of_thread("owned by a thread that ends", name, "");
		flags = begin();
	}
	end(flags);
}

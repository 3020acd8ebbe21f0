/*
 * `threads` and `runq` at the prompt.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/trap.h>
#include <kernel/console/printk.h>
#include <kernel/debug/symbols.h>
#include <kernel/monitor/monitor.h>
#include <kernel/sched/idle.h>
#include <kernel/sched/thread.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <lib/printf.h>
#include <lib/string.h>

#define ROWS    32 /* that are copied at a time: nothing is printed under a lock */
#define WAITING 8  /* names of one run queue that are shown */
#define PLACE   64

extern const char sched_text_start[], sched_text_end[]; /* everything in kernel/sched */

static const char *const state_names[] = {
	[THREAD_RUNNING] = "ready", [THREAD_BLOCKED] = "blocked", [THREAD_WOKEN] = "woken",
	[THREAD_DEAD] = "over",     [THREAD_FREE] = "free",
};

struct row {
	uint32_t id, state;
	unsigned int cpu, priority;
	bool pinned, runs;
	char name[THREAD_NAME];
	uint64_t place; /* where it waits, outside the scheduler */
};

struct page {
	struct row rows[ROWS];
	unsigned int count;
	uint32_t after; /* threads with ids up to this were shown */
};

static bool leave_sched(uint64_t rip, bool returns, void *context)
{
	(void)returns;
	*(uint64_t *)context = rip;
	return rip >= (uint64_t)sched_text_start && rip < (uint64_t)sched_text_end;
}

/* What it says may be old already: nobody is stopped for it. */
static void copy(struct row *row, struct thread *thread)
{
	*row = (struct row){
		.id = thread->id,
		.state = atomic_load_explicit(&thread->state, memory_order_relaxed),
		.cpu = atomic_load_explicit(&thread->cpu, memory_order_relaxed),
		.priority = thread->priority,
		.pinned = thread->wanted_cpu != ANY_CPU,
	};
	memcpy(row->name, thread->name, THREAD_NAME);
	row->runs = cpus[row->cpu]->current == thread;
	if (!row->runs)
		backtrace_walk_stack(thread->sp, thread->stack_top, leave_sched, &row->place);
}

static bool add_row(struct thread *thread, void *context)
{
	struct page *page = context;

	if (thread->id > page->after)
		copy(&page->rows[page->count++], thread);
	return page->count < ROWS;
}

static const char *describe_priority(unsigned int priority, char *text, size_t size)
{
	if (priority <= PRIORITY_FAIR)
		snprintf(text, size, "%s", priority == PRIORITY_FAIR ? "fair" : "idle");
	else
		snprintf(text, size, "rt %u", priority - PRIORITY_FAIR);
	return text;
}

static void print_row(const struct row *row)
{
	char priority[16], place[PLACE] = "";

	if (row->place)
		symbol_format(row->place, true, place, sizeof(place));
	printk("%6u  %-15s %4u%c  %-7s  %-5s  %s\n", row->id, row->name, row->cpu,
	       row->pinned ? '!' : ' ', row->runs ? "runs" : state_names[row->state],
	       describe_priority(row->priority, priority, sizeof(priority)), place);
}

static void print_page(struct page *page)
{
	for (unsigned int i = 0; i < page->count; i++)
		print_row(&page->rows[i]);
}

/* Ids grow along the list. */
static void threads_command(const char *arguments)
{
	static struct page page; /* too large for a stack */

	(void)arguments;
	printk("    id  name            CPU (! pinned)  state, class, where it waits\n");
	page.after = 0;
	do {
		page.count = 0;
		thread_visit(add_row, &page);
		print_page(&page);
		if (page.count)
			page.after = page.rows[page.count - 1].id;
	} while (page.count == ROWS);
	printk("%u threads, and those that the CPUs booted with\n", thread_count());
}
COMMAND(threads, "the threads: where they are and what they wait for", threads_command);

struct queue {
	char current[THREAD_NAME], waiting[WAITING][THREAD_NAME];
	unsigned int count;
	uint32_t above;
	bool slices;
	uint64_t switches, schedules, moved_away, idle_rounds, wakes[WAKE_OUTCOMES], nudges[NUDGES],
		sent;
};

static void copy_waiting(struct queue *queue, const struct runq *runq, unsigned int priority)
{
	for (struct thread *thread = runq->first[priority]; thread; thread = thread->next) {
		if (queue->count < WAITING)
			memcpy(queue->waiting[queue->count], thread->name, THREAD_NAME);
		queue->count++;
	}
}

/* On the CPU in question. */
static void copy_queue(void *info)
{
	struct cpu *cpu = this_cpu->self;
	struct queue *queue = info;

	memcpy(queue->current, cpu->current->name, THREAD_NAME);
	queue->count = 0;
	for (unsigned int priority = PRIORITIES; priority-- > PRIORITY_FAIR;)
		copy_waiting(queue, &cpu->runq, priority);
	queue->above = atomic_load_explicit(&cpu->wake_above, memory_order_relaxed);
	queue->slices = cpu->tick.slice_at;
	queue->switches = cpu->switches;
	queue->schedules = cpu->schedules;
	queue->moved_away = cpu->moved_away;
	queue->idle_rounds = cpu->idle_rounds;
	memcpy(queue->wakes, cpu->wakes, sizeof(queue->wakes));
	memcpy(queue->nudges, cpu->nudges, sizeof(queue->nudges));
	queue->sent = cpu->ipi_sent[RESCHEDULE_VECTOR];
}

static void print_queue(unsigned int cpu, const struct queue *queue)
{
	const uint64_t *wakes = queue->wakes, *nudges = queue->nudges;

	printk("CPU %u  runs '%s', %u wait%s", cpu, queue->current, queue->count,
	       queue->slices ? ", in turns" : "");
	for (unsigned int i = 0; i < queue->count && i < WAITING; i++)
		printk("%s '%s'", i ? "," : ":", queue->waiting[i]);
	printk("\n  scheduled %lu times, switched %lu, idled %lu; %lu threads went elsewhere\n",
	       queue->schedules, queue->switches, queue->idle_rounds, queue->moved_away);
	printk("  it woke %lu here, %lu by RESCHEDULE; without, since the CPU polls %lu, one is on "
	       "its way %lu, it can wait %lu\n",
	       wakes[WAKE_HERE], wakes[WAKE_IPI], wakes[WAKE_POLLED], wakes[WAKE_ON_ITS_WAY],
	       wakes[WAKE_CAN_WAIT]);
	printk("  RESCHEDULE else: to itself %lu, to idle CPUs %lu, otherwise %lu; not to those that "
	       "poll %lu\n",
	       nudges[NUDGE_SELF], nudges[NUDGE_IDLE],
	       queue->sent - wakes[WAKE_IPI] - nudges[NUDGE_SELF] - nudges[NUDGE_IDLE],
	       nudges[NUDGE_POLLED]);
}

static void runq_command(const char *arguments)
{
	static struct queue queue;

	(void)arguments;
	printk("idle CPUs wait by %s\n", idle_mode());
	for_each_cpu(cpu, &cpu_online_mask) {
		if (!smp_call_function_single(cpu, copy_queue, &queue, true))
			print_queue(cpu, &queue);
	}
}
COMMAND(runq, "the run queues, and what woke threads up", runq_command);

/*
 * The CPUs that send: their tables, and what each of them does.
 *
 * The boot CPU sends like the others, and between its own calls wakes up those that
 * made a pause: a pause ends in the idle loop, so that a CPU is also called while
 * it halts.
 */
#include "torture.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/mm.h>
#include <arch/time.h>
#include <kernel/mm/frames.h>
#include <kernel/sched/work.h>
#include <lib/errno.h>
#include <lib/random.h>

#define LOOK_EVERY 32 /* calls of the boot CPU */

static atomic_uint arrived; /* at the start: nobody sends before all are there */
static void *alloc(uint64_t size)
{
	uint64_t frames = frames_alloc((size + PAGE_SIZE - 1) / PAGE_SIZE, UINT64_MAX);

	return frames == FRAME_NONE ? NULL : phys_to_virt(frames);
}

/* The tables of calls to many have a place for every CPU. */
static int make_wide(struct sender *sender)
{
	struct entry *entries = alloc(RECORDS_WIDE * CALLS * nr_cpus * sizeof(*entries));
	struct cpumask *masks = alloc(RECORDS_WIDE * CALLS * sizeof(*masks));

	if (!entries || !masks)
		return -ENOMEM;
	for (unsigned int i = 0; i < RECORDS_WIDE * CALLS; i++) {
		struct call *call = &sender->records[RECORDS_ONE + i / CALLS].calls[i % CALLS];

		call->wide = true;
		call->entries = entries + i * nr_cpus;
		call->mask = masks + i;
	}
	return 0;
}

static int make_numbers(struct sender *sender)
{
	uint32_t *numbers = alloc(2 * CONTEXTS * nr_cpus * sizeof(*numbers));

	if (!numbers)
		return -ENOMEM;
	for (unsigned int i = 0; i < CONTEXTS; i++) {
		sender->accepted[i] = numbers + 2 * i * nr_cpus;
		sender->seen[i] = numbers + (2 * i + 1) * nr_cpus;
	}
	return 0;
}

static void make_records(struct sender *sender)
{
	for (unsigned int slot = 0; slot < RECORDS; slot++) {
		struct record *record = &sender->records[slot];

		record->sender = (uint16_t)sender->cpu;
		record->slot = (uint16_t)slot;
		for (unsigned int i = 0; i < CALLS; i++) {
			record->calls[i].record = record;
			record->calls[i].entries = &record->calls[i].only;
		}
	}
}

static struct sender *make_sender(unsigned int cpu, uint64_t seed)
{
	struct sender *sender = alloc(sizeof(*sender));

	if (!sender)
		return NULL;
	sender->cpu = cpu;
	sender->random = seed + cpu;
	sender->random = random_next(&sender->random); /* neighbours are not alike */
	sender->digest = 0xcbf29ce484222325ull;
	sender->rescheduled = MAX_CPUS;
	make_records(sender);
	torture_works_init(sender);
	return make_wide(sender) || make_numbers(sender) ? NULL : sender;
}

int torture_senders_make(uint64_t seed)
{
	for_each_cpu(cpu, &torture_online) {
		torture_senders[cpu] = make_sender(cpu, seed);
		if (!torture_senders[cpu])
			return -ENOMEM;
	}
	return 0;
}

/*
 * The function wakes its caller up by RESCHEDULE. Between the look and the halt
 * interrupts are off, so that it cannot be missed. The boot CPU spins: it must see
 * when nothing moves any more.
 */
static void sleep_until_run(const struct call *call)
{
	const struct entry *entry = torture_entry(call, call->target);

	if (this_cpu->index == boot_cpu.index) {
		torture_settle(call->record);
		return;
	}
	irq_disable();
	while (!atomic_load_explicit(&entry->runs, memory_order_acquire))
		cpu_halt_until_interrupt();
	irq_enable();
}

static void send_one(struct sender *sender, bool *pause)
{
	struct record *record = torture_draw(sender, pause);
	struct call *call = &record->calls[OUTER];
	bool counts = torture_counts(call->mode);

	sender->current = record;
	if (call->mode->prepare)
		call->mode->prepare(sender, call->target);
	sender->left -= counts;
	torture_make(call);
	if (call->mode->reply && call->made)
		sleep_until_run(call);
	sender->made++;
	sender->calls += counts;
	sender->by_mode[call->mode - torture_modes]++;
}

static bool goes_on(const struct sender *sender)
{
	return sender->left && !atomic_load_explicit(&torture_stopped, memory_order_relaxed);
}

static void settle_all(struct sender *sender)
{
	torture_settle_reschedule(sender);
	torture_settle_works(sender);
	torture_tlb_leave();
	for (unsigned int slot = 0; slot < RECORDS; slot++)
		torture_settle(&sender->records[slot]);
}

/* All begin together: the last to come opens the gate. */
static void wait_for_all(void)
{
	uint64_t start = clock_ns();

	atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
	while (atomic_load_explicit(&arrived, memory_order_relaxed) < torture_online_count) {
		if ((int64_t)(clock_ns() - start) > (int64_t)torture_patience_ns()) {
			torture_broken(RULE_GOES_ON, NULL, "%u of %u CPUs came to the start",
				       atomic_load_explicit(&arrived, memory_order_relaxed),
				       torture_online_count);
			return;
		}
		cpu_relax();
	}
}

static void set_state(struct sender *sender, enum sender_state state)
{
	/* Release: who finds it ended reads its counts. */
	atomic_store_explicit(&sender->state, state, memory_order_release);
}

/* On every CPU but the boot CPU: until it pauses or has made its share. */
static void send(void *info)
{
	struct sender *sender = info;
	bool pause = false;

	if (!sender->current)
		wait_for_all();
	while (goes_on(sender) && !pause)
		send_one(sender, &pause);
	if (pause && goes_on(sender)) {
		set_state(sender, SENDER_PAUSES);
		return;
	}
	settle_all(sender);
	set_state(sender, SENDER_ENDED);
}

static enum sender_state state_of(unsigned int cpu)
{
	return atomic_load_explicit(&torture_senders[cpu]->state, memory_order_acquire);
}

static void wake_the_paused(void)
{
	for_each_cpu(cpu, &torture_online) {
		struct sender *sender = torture_senders[cpu];

		if (state_of(cpu) != SENDER_PAUSES || work_busy(cpu))
			continue;
		set_state(sender, SENDER_RUNS);
		work_start(cpu, send, sender);
	}
}

static void send_from_here(struct sender *sender, uint64_t end_ns)
{
	bool pause;

	wait_for_all();
	while (goes_on(sender)) {
		send_one(sender, &pause);
		if (sender->made % LOOK_EVERY && !pause)
			continue;
		wake_the_paused();
		if (clock_ns() >= end_ns)
			atomic_store_explicit(&torture_stopped, true, memory_order_relaxed);
	}
	settle_all(sender);
	set_state(sender, SENDER_ENDED);
}

/* How many calls all of them made, or UINT64_MAX when all have ended. */
static uint64_t progress(void)
{
	uint64_t made = 0;
	bool ended = true;

	for_each_cpu(cpu, &torture_online) {
		ended &= state_of(cpu) == SENDER_ENDED;
		made += *(volatile uint64_t *)&torture_senders[cpu]->made;
	}
	return ended ? UINT64_MAX : made;
}

static void accuse(struct sender *sender)
{
	const struct call *call = sender->current ? &sender->current->calls[OUTER] : NULL;

	torture_broken(RULE_GOES_ON, call, "CPU %u made %lu calls and does not go on", sender->cpu,
		       sender->made);
	for (unsigned int cpu = 0; call && call->made && cpu < nr_cpus; cpu++) {
		if (torture_expects(call, cpu) && !torture_entry(call, cpu)->runs)
			torture_broken(RULE_EXACTLY_ONCE, call, "CPU %u has not run it", cpu);
	}
}

/* Until all have ended, or nothing moves any more. */
static void wait_for_the_end(void)
{
	uint64_t since = clock_ns(), before = 0, now;

	while ((now = progress()) != UINT64_MAX) {
		wake_the_paused();
		if (now != before)
			since = clock_ns();
		before = now;
		if ((int64_t)(clock_ns() - since) > (int64_t)torture_patience_ns())
			break;
		cpu_relax();
	}
}

void torture_senders_accuse(void)
{
	for_each_cpu(cpu, &torture_online) {
		if (state_of(cpu) != SENDER_ENDED)
			accuse(torture_senders[cpu]);
	}
}

bool torture_senders_run(uint64_t calls, uint64_t seconds)
{
	uint64_t end = calls ? UINT64_MAX : clock_ns() + seconds * 1000000000;
	unsigned int me = this_cpu->index, number = 0;

	for_each_cpu(cpu, &torture_online) {
		struct sender *sender = torture_senders[cpu];
		uint64_t share = calls / torture_online_count;

		share += number++ < calls % torture_online_count;
		sender->left = calls ? share : UINT64_MAX;
		if (cpu != me)
			work_start(cpu, send, sender);
	}
	send_from_here(torture_senders[me], end);
	wait_for_the_end();
	torture_senders_accuse();
	return progress() == UINT64_MAX;
}

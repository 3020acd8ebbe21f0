/*
 * Records and tickets. A sender's part is written by its own thread or, with interrupts off, by its
 * handlers; a target's part by that target alone, interrupts off.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <kernel/smp/cpu.h>
#include <lib/random.h>
#include <string.h>
#include <tests/host/smp/record.h>

#define RING 512 /* records of a stream; several times the descriptors of a pool */

struct outbox {
	struct record ring[RING];
	uint32_t next, opened;
	uint32_t ticket[HOST_CPUS];
	atomic_ulong promised;
};

static struct sender {
	struct outbox outbox[STREAMS];
} __attribute__((aligned(CACHE_LINE))) senders[HOST_CPUS];

static struct target {
	uint32_t next[HOST_CPUS][STREAMS];
	atomic_ulong runs;
} __attribute__((aligned(CACHE_LINE))) targets[HOST_CPUS];

void spin(uint32_t count)
{
	for (volatile uint32_t i = 0; i < count; i++)
		;
}

static uint64_t word_of(uint64_t serial, unsigned int place)
{
	uint64_t state = serial << 8 | place;

	return random_next(&state);
}

static unsigned int runs_of(const struct record *record, unsigned int cpu, memory_order order)
{
	return atomic_load_explicit(&record->runs[cpu], order);
}

/* Acquire: pairs with the end of record_run. The record may be used again after this. */
static bool is_over(const struct record *record)
{
	for (unsigned int cpu = 0; cpu < host_cpus; cpu++) {
		if (record->targets >> cpu & 1 && !runs_of(record, cpu, memory_order_acquire))
			return false;
	}
	return true;
}

/* Every CPU that it names once, and no other. */
static void verify_runs(const struct record *record)
{
	for (unsigned int cpu = 0; cpu < host_cpus; cpu++) {
		unsigned int wanted = record->targets >> cpu & 1;
		unsigned int runs = runs_of(record, cpu, memory_order_relaxed);

		if (runs != wanted)
			host_fail("%s #%#lx of CPU %u to CPUs %#lx ran %u times on CPU %u",
				  record->what, record->serial, record->sender, record->targets,
				  runs, cpu);
	}
}

void record_verify(const struct record *record)
{
	verify_runs(record);
	for (unsigned int cpu = 0; cpu < host_cpus; cpu++) {
		if (record->targets >> cpu & 1 &&
		    record->reply[cpu] != word_of(record->serial, RECORD_WORDS + cpu))
			host_fail("%s #%#lx of CPU %u: what CPU %u wrote is not seen after the "
				  "wait",
				  record->what, record->serial, record->sender, cpu);
	}
}

/* Tickets are counted before the call, because in-place functions may open more. */
static void take_tickets(struct outbox *outbox, struct record *record)
{
	for (unsigned int cpu = 0; cpu < host_cpus; cpu++) {
		record->ticket[cpu] = outbox->ticket[cpu];
		outbox->ticket[cpu] += record->targets >> cpu & 1;
	}
	atomic_fetch_add_explicit(&outbox->promised,
				  (unsigned int)__builtin_popcountll(record->targets),
				  memory_order_relaxed);
}

static void fill(struct record *record)
{
	for (unsigned int i = 0; i < RECORD_WORDS; i++)
		record->words[i] = word_of(record->serial, i);
	for (unsigned int cpu = 0; cpu < host_cpus; cpu++)
		atomic_store_explicit(&record->runs[cpu], 0, memory_order_relaxed);
	record->spins = 0;
	record->depth = 0;
	record->then = NULL;
}

struct record *record_open(enum stream stream, const char *what, uint64_t cpus_named)
{
	unsigned int me = this_cpu->index;
	struct outbox *outbox = &senders[me].outbox[stream];
	struct record *record = &outbox->ring[outbox->next];

	if (irqs_disabled() != (stream == STREAM_OFF))
		host_fail("a call was numbered in the wrong stream");
	while (!is_over(record)) {
		if (stream == STREAM_OFF)
			return NULL;
		cpu_relax();
	}
	verify_runs(record);
	outbox->next = (outbox->next + 1) % RING;
	record->serial = (uint64_t)(me * STREAMS + stream) << 32 | ++outbox->opened;
	record->what = what;
	record->targets = cpus_named;
	record->sender = me;
	record->stream = stream;
	fill(record);
	take_tickets(outbox, record);
	host_doing(what, record->serial);
	return record;
}

void record_withdraw(struct record *record)
{
	struct outbox *outbox = &senders[record->sender].outbox[record->stream];

	for (unsigned int cpu = 0; cpu < host_cpus; cpu++)
		outbox->ticket[cpu] -= record->targets >> cpu & 1;
	atomic_fetch_sub_explicit(&outbox->promised,
				  (unsigned int)__builtin_popcountll(record->targets),
				  memory_order_relaxed);
	record->targets = 0;
}

static void verify_on_arrival(const struct record *record, unsigned int me)
{
	const uint32_t *next = &targets[me].next[record->sender][record->stream];

	if (!irqs_disabled())
		host_fail("CPU %u runs %s #%#lx with interrupts on", me, record->what,
			  record->serial);
	if (!(record->targets >> me & 1))
		host_fail("%s #%#lx of CPU %u to CPUs %#lx runs on CPU %u", record->what,
			  record->serial, record->sender, record->targets, me);
	if (record->ticket[me] != *next)
		host_fail("CPU %u runs ticket %u of CPU %u, interrupts %s (%s #%#lx), but %u is "
			  "next",
			  me, record->ticket[me], record->sender,
			  record->stream == STREAM_ON ? "on" : "off", record->what, record->serial,
			  *next);
	for (unsigned int i = 0; i < RECORD_WORDS; i++) {
		if (record->words[i] != word_of(record->serial, i))
			host_fail("CPU %u does not see what CPU %u wrote before %s #%#lx", me,
				  record->sender, record->what, record->serial);
	}
}

void record_run(void *info)
{
	struct record *record = info;
	unsigned int me = this_cpu->index;

	verify_on_arrival(record, me);
	targets[me].next[record->sender][record->stream]++;
	spin(record->spins);
	if (record->then)
		record->then(record);
	record->reply[me] = word_of(record->serial, RECORD_WORDS + me);
	/* Release: pairs with is_over. The sender may use the record again after this. */
	if (atomic_fetch_add_explicit(&record->runs[me], 1, memory_order_release))
		host_fail("a call ran twice on CPU %u", me);
	atomic_fetch_add_explicit(&targets[me].runs, 1, memory_order_relaxed);
	host_alive();
}

uint64_t records_promised(void)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < HOST_CPUS; i++) {
		for (unsigned int stream = 0; stream < STREAMS; stream++)
			sum += atomic_load_explicit(&senders[i].outbox[stream].promised,
						    memory_order_relaxed);
	}
	return sum;
}

uint64_t records_run(void)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < HOST_CPUS; i++)
		sum += atomic_load_explicit(&targets[i].runs, memory_order_relaxed);
	return sum;
}

static void verify_tickets(unsigned int sender, unsigned int stream)
{
	const struct outbox *outbox = &senders[sender].outbox[stream];

	for (unsigned int cpu = 0; cpu < host_cpus; cpu++) {
		if (outbox->ticket[cpu] != targets[cpu].next[sender][stream])
			host_fail("CPU %u queued %u calls to CPU %u, which ran %u", sender,
				  outbox->ticket[cpu], cpu, targets[cpu].next[sender][stream]);
	}
}

void records_verify_all(void)
{
	for (unsigned int i = 0; i < host_cpus; i++) {
		for (unsigned int stream = 0; stream < STREAMS; stream++) {
			verify_tickets(i, stream);
			for (unsigned int k = 0; k < RING; k++)
				verify_runs(&senders[i].outbox[stream].ring[k]);
		}
	}
}

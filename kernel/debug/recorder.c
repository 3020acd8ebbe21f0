/*
 * Writes IPI events into a ring for each CPU. A ring is written by its own CPU
 * alone, from any context: each event gets its slot by one atomic addition.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/mm.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/bootword.h>
#include <kernel/debug/recorder.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/tlb_ipi.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/csd.h>
#include <kernel/smp/vectors.h>
#include <lib/errno.h>
#include <stddef.h>

#define FOUND_MAX 16 /* calls of one queue that are written down: the oldest */

struct ring {
	_Atomic uint64_t next;
	struct recorder_event events[RECORDER_EVENTS];
};

static_assert(sizeof(struct recorder_event) == 32, "two to a cache line");

enum wanted { WANTED_AUTO, WANTED_ON, WANTED_OFF };
static const char *const words[] = { "auto", "on", "off", NULL };
static unsigned int wanted;
BOOT_WORD_CHOICE(recorder, words, wanted, "the flight recorder: auto (in torture), on or off");

static struct ring *rings[MAX_CPUS];
atomic_bool recorder_running;

static const struct {
	uint8_t vector;
	void (*handler)(void);
} recorded[] = {
	{ CALL_FUNCTION_SINGLE_VECTOR, on_call_function_single },
	{ CALL_FUNCTION_VECTOR, on_call_function },
	{ RESCHEDULE_VECTOR, on_reschedule },
	{ TLB_FLUSH_VECTOR, on_tlb_flush },
};
#define RECORDED_VECTORS (sizeof(recorded) / sizeof(recorded[0]))

void recorder_write(struct recorder_event event)
{
	struct ring *ring = rings[this_cpu->index];
	uint64_t slot = atomic_fetch_add_explicit(&ring->next, 1, memory_order_relaxed);

	event.tsc = cycles();
	ring->events[slot % RECORDER_EVENTS] = event;
}

unsigned int recorder_count(unsigned int cpu)
{
	uint64_t next;

	if (!rings[cpu])
		return 0;
	next = atomic_load_explicit(&rings[cpu]->next, memory_order_relaxed);
	return next < RECORDER_EVENTS ? (unsigned int)next : RECORDER_EVENTS;
}

const struct recorder_event *recorder_event(unsigned int cpu, unsigned int index)
{
	uint64_t next = atomic_load_explicit(&rings[cpu]->next, memory_order_relaxed);
	uint64_t oldest = next < RECORDER_EVENTS ? 0 : next;

	return &rings[cpu]->events[(oldest + index) % RECORDER_EVENTS];
}

/* The newest is in front. What is in the queue stays there: only this CPU takes it out. */
static unsigned int look_into_queue(struct csd *oldest[FOUND_MAX])
{
	struct llist_head *queue = &this_cpu->self->call_single_queue;
	struct llist_node *node = atomic_load_explicit(&queue->first, memory_order_acquire);
	unsigned int count = 0;

	for (; node; node = node->next)
		oldest[count++ % FOUND_MAX] =
			(struct csd *)((char *)node - offsetof(struct csd, node));
	return count;
}

static bool within(const struct csd *csd, const struct csd *first, uint32_t count)
{
	return csd >= first && csd < first + count;
}

/* A caller's own descriptor does not say who the caller is. */
static uint16_t sender_of(const struct csd *csd)
{
	const struct cpu *src = cpus[csd->src];

	if (within(csd, src->csd_pool, src->csd_count) || within(csd, src->csd_wait, nr_cpus))
		return csd->src;
	return RECORDER_NOBODY;
}

static void note_found(struct csd *const oldest[FOUND_MAX], unsigned int count)
{
	unsigned int kept = count < FOUND_MAX ? count : FOUND_MAX;

	for (unsigned int i = 1; i <= kept; i++) {
		const struct csd *csd = oldest[(count - i) % FOUND_MAX];

		recorder_note((struct recorder_event){ .kind = RECORDED_FOUND,
						       .peer = sender_of(csd),
						       .where = (uint64_t)csd->func,
						       .call = (uint64_t)csd->info });
	}
}

void recorder_write_taken(const struct pt_regs *regs)
{
	struct csd *oldest[FOUND_MAX];
	unsigned int count = look_into_queue(oldest);

	recorder_note((struct recorder_event){ .kind = RECORDED_TAKEN,
					       .vector = regs->vector,
					       .where = regs->rip,
					       .value = (int32_t)count });
	note_found(oldest, count);
}

/* In place of a vector's short entry: the same handler, after a note. */
static bool on_ipi(struct pt_regs *regs)
{
	recorder_write_taken(regs);
	for (unsigned int i = 0; i < RECORDED_VECTORS; i++) {
		if (recorded[i].vector == regs->vector)
			recorded[i].handler();
	}
	return true;
}

static struct ring *ring_alloc(void)
{
	uint64_t frames =
		frames_alloc((sizeof(struct ring) + PAGE_SIZE - 1) / PAGE_SIZE, UINT64_MAX);

	return frames == FRAME_NONE ? NULL : phys_to_virt(frames);
}

int recorder_start(void)
{
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		if (!rings[cpu])
			rings[cpu] = ring_alloc();
		if (!rings[cpu])
			return -ENOMEM;
		atomic_store_explicit(&rings[cpu]->next, 0, memory_order_relaxed);
	}
	for (unsigned int i = 0; i < RECORDED_VECTORS; i++)
		ipi_set_hook(recorded[i].vector, on_ipi);
	atomic_store_explicit(&recorder_running, true, memory_order_release);
	return 0;
}

void recorder_stop(void)
{
	recorder_freeze();
	for (unsigned int i = 0; i < RECORDED_VECTORS; i++)
		ipi_set_hook(recorded[i].vector, NULL);
}

void recorder_freeze(void)
{
	atomic_store_explicit(&recorder_running, false, memory_order_relaxed);
}

bool recorder_wanted_for_torture(void)
{
	return wanted != WANTED_OFF;
}

bool recorder_wanted_from_boot(void)
{
	return wanted == WANTED_ON;
}

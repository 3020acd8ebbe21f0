/*
 * The stall report. The IPI's place tells whose fault it is:
 *
 *   pending (IRR)      it arrived and is not taken: interrupts are off there
 *   in service (ISR)   it was taken and never acknowledged
 *   neither            it is being handled, if the CPU stands in front of the exchange that
 *                      empties the queue; else it never arrived, if the queue is not
 *                      empty: it is sent again
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <kernel/bootword.h>
#include <kernel/console/printk.h>
#include <kernel/debug/symbols.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/nmi.h>
#include <kernel/smp/stall.h>
#include <kernel/smp/waiting.h>
#include <lib/printf.h>
#include <stddef.h>

static uint64_t stall_ms = 5000;
BOOT_WORD_NUMBER(stall_ms, 50, 3600000, stall_ms, "report what takes longer than so many ms");
static _Atomic uint64_t other_deadline_ns;

struct ipi {
	enum ipi_vector vector;
	const char *name;
};

/*
 * The IPIs that empty a queue; the first is the one that is sent again. Where none is to be seen
 * nobody knows which was sent.
 */
static const struct ipi call_ipis[] = {
	{ CALL_FUNCTION_SINGLE_VECTOR, "CALL_FUNCTION_SINGLE" },
	{ CALL_FUNCTION_VECTOR, "CALL_FUNCTION" },
};
static const struct ipi irq_work_ipis[] = { { IRQ_WORK_VECTOR, "IRQ_WORK" } };
static const struct ipi wake_ipis[] = { { RESCHEDULE_VECTOR, "RESCHEDULE" } };
static const struct ipi tlb_ipis[] = { { TLB_FLUSH_VECTOR, "TLB_FLUSH" } };

static const struct {
	const struct ipi *ipis;
	unsigned int ipi_count;
	const char *all_are;   /* their names and the verb */
	size_t head, progress; /* in struct cpu */
} queues[STALL_KINDS] = {
	[STALL_CALLS] = { call_ipis, 2, "CALL_FUNCTION_SINGLE and CALL_FUNCTION are",
			  offsetof(struct cpu, call_single_queue),
			  offsetof(struct cpu, calls_run) },
	[STALL_IRQ_WORK] = { irq_work_ipis, 1, "IRQ_WORK is", offsetof(struct cpu, irq_work_queue),
			     offsetof(struct cpu, irq_work_emptied) },
	[STALL_WAKES] = { wake_ipis, 1, "RESCHEDULE is", offsetof(struct cpu, wake_list),
			  offsetof(struct cpu, wakes_taken) },
	[STALL_TLB] = { tlb_ipis, 1, "TLB_FLUSH is", 0, 0 },
};

static char text[PRINTK_MAX + 1]; /* of who has the snapshots */
static void (*_Atomic report_hook)(unsigned int cpu);

uint64_t stall_deadline_ns(void)
{
	uint64_t other = atomic_load_explicit(&other_deadline_ns, memory_order_relaxed);

	return other ? other : stall_ms * 1000000;
}

void stall_set_deadline_ns(uint64_t ns)
{
	atomic_store_explicit(&other_deadline_ns, ns, memory_order_relaxed);
}

const struct llist_node *stall_queue_first(unsigned int cpu, enum stall_queue queue)
{
	const char *head = (const char *)cpus[cpu] + queues[queue].head;

	/* A thread that can wait, or that a CPU polls for, is not what an IPI was sent for. */
	if (queue == STALL_WAKES &&
	    !(atomic_load_explicit(&cpus[cpu]->wake_above, memory_order_relaxed) & WAKE_SENT))
		return NULL;
	return atomic_load_explicit(&((const struct llist_head *)head)->first,
				    memory_order_relaxed);
}

/* Another CPU's plain counter: an old value only makes us look once more. */
uint64_t __attribute__((no_sanitize_thread))
stall_queue_progress(unsigned int cpu, enum stall_queue queue)
{
	return *(const volatile uint64_t *)((const char *)cpus[cpu] + queues[queue].progress);
}

bool stall_claim(unsigned int cpu)
{
	return !atomic_exchange_explicit(&cpus[cpu]->stall_claimed, true, memory_order_relaxed);
}

void stall_release(unsigned int cpu)
{
	atomic_store_explicit(&cpus[cpu]->stall_claimed, false, memory_order_relaxed);
}

/* The name of the first IPI of the queue that is in bits, or NULL. */
static const char *first_of(enum stall_queue queue, uint32_t bits)
{
	for (unsigned int i = 0; i < queues[queue].ipi_count; i++) {
		if (bits & ipi_bit(queues[queue].ipis[i].vector))
			return queues[queue].ipis[i].name;
	}
	return NULL;
}

/* The entries in isr.S come before it: there the ISR shows the IPI until it is acknowledged. */
static bool stands_before_queue(const struct snapshot *snapshot)
{
	uint64_t rip = snapshot->trace[0];

	return snapshot->irqs_off && rip >= (uint64_t)ipi_text_start &&
	       rip < (uint64_t)ipi_text_end;
}

static int format_ipi(enum stall_queue queue, const struct snapshot *snapshot, bool empty, char *to,
		      size_t size)
{
	const char *pending = first_of(queue, snapshot->pending);
	const char *in_service = first_of(queue, snapshot->in_service);

	if (pending && in_service)
		return snprintf(to, size, "%s is in service (ISR) and %s pending (IRR)", in_service,
				pending);
	if (pending)
		return snprintf(to, size, "%s is pending (IRR)", pending);
	if (in_service)
		return snprintf(to, size, "%s is in service (ISR)", in_service);
	if (!empty && stands_before_queue(snapshot))
		return snprintf(to, size, "the IPI is acknowledged, and the queue comes next");
	if (queue == STALL_TLB)
		return snprintf(to, size, "%s absent (IRR and ISR)%s", queues[queue].all_are,
				empty ? ", the flush is done" : "");
	return snprintf(to, size, "%s absent (IRR and ISR), the queue is %sempty",
			queues[queue].all_are, empty ? "" : "not ");
}

static size_t format_target(unsigned int cpu, enum stall_queue queue,
			    const struct snapshot *snapshot, bool empty, char *to, size_t size)
{
	char symbol[80], irqs[64];
	int used;

	if (!snapshot)
		return (size_t)snprintf(to, size, "  CPU %u did not answer the NMI\n", cpu);
	used = snprintf(to, size, "  on CPU %u ", cpu);
	used += format_ipi(queue, snapshot, empty, to + used, size - (size_t)used);
	snapshot_format_place(snapshot, 0, symbol, sizeof(symbol));
	used += snprintf(to + used, size - (size_t)used, ", %s, %sin %s\n",
			 snapshot_format_irqs(snapshot, irqs, sizeof(irqs)),
			 snapshot->halted ? "halted " : "", symbol);
	return (size_t)used;
}

static bool owed_and_absent(unsigned int cpu, enum stall_queue queue,
			    const struct snapshot *snapshot, bool empty)
{
	if (empty || !cpu_online(cpu))
		return false;
	if (!snapshot)
		return true;
	return !first_of(queue, snapshot->pending | snapshot->in_service) &&
	       !stands_before_queue(snapshot);
}

static void send_again(unsigned int cpu, const struct ipi *ipi)
{
	unsigned long flags = irq_save();

	this_cpu->ipi_sent[ipi->vector]++;
	arch_send_ipi(cpu, ipi->vector);
	irq_restore(flags);
	printk("  %s is sent to CPU %u again\n", ipi->name, cpu);
}

static void print_trace(const struct snapshot *snapshot)
{
	size_t length = snapshot ? snapshot_format_trace(snapshot, 1, text, sizeof(text)) : 0;

	if (length)
		printk_raw(text, length);
}

static void print_waits(unsigned int cpu)
{
	char edges[200];

	if (waiting_format(cpu, edges, sizeof(edges)) > 1)
		printk("  waits: %s\n", edges);
}

void stall_set_hook(void (*hook)(unsigned int cpu))
{
	atomic_store_explicit(&report_hook, hook, memory_order_relaxed);
}

/* How to know that nothing is owed where no queue shows it. */
struct owed {
	bool (*is_done)(const void *wait, unsigned int cpu);
	const void *wait;
};

static bool is_empty(unsigned int cpu, enum stall_queue queue, const struct owed *owed)
{
	return owed ? owed->is_done(owed->wait, cpu) : !stall_queue_first(cpu, queue);
}

static bool report(unsigned int cpu, enum stall_queue queue, const struct owed *owed,
		   const char *headline)
{
	void (*hook)(unsigned int) = atomic_load_explicit(&report_hook, memory_order_relaxed);
	const struct snapshot *snapshot;
	size_t used;
	bool empty;

	if (!nmi_try_begin())
		return false;
	snapshot = nmi_look(cpu);
	empty = is_empty(cpu, queue, owed);
	used = (size_t)snprintf(text, sizeof(text), "%s", headline);
	used += format_target(cpu, queue, snapshot, empty, text + used, sizeof(text) - used);
	printk_raw(text, used);
	print_trace(snapshot);
	print_waits(cpu);
	if (owed_and_absent(cpu, queue, snapshot, empty))
		send_again(cpu, queues[queue].ipis);
	nmi_end();
	if (hook)
		hook(cpu);
	return true;
}

bool stall_report(unsigned int cpu, enum stall_queue queue, const char *headline)
{
	return report(cpu, queue, NULL, headline);
}

bool stall_report_flush(unsigned int cpu, bool (*is_done)(const void *wait, unsigned int cpu),
			const void *wait, const char *headline)
{
	return report(cpu, STALL_TLB, &(struct owed){ is_done, wait }, headline);
}

/*
 * Each CPU has one piece of work that all others queue, and one that only its NMIs queue. Whoever
 * is told that it was queued owns one run.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/trap.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/irq_work.h>
#include <lib/random.h>
#include <tests/host/smp/host.h>
#include <tests/host/smp/works.h>

static struct piece {
	struct irq_work work;
	unsigned int cpu;
	uint64_t runs; /* on that CPU */
	atomic_ulong queued;
} __attribute__((aligned(CACHE_LINE))) shared[HOST_CPUS], from_nmi[HOST_CPUS];

static trap_hook *hook_before;

static void run(struct irq_work *work)
{
	struct piece *piece = (struct piece *)work;

	if (piece->cpu != this_cpu->index || !irqs_disabled())
		host_fail("irq_work for CPU %u runs on CPU %u with interrupts %s", piece->cpu,
			  this_cpu->index, irqs_disabled() ? "off" : "on");
	piece->runs++;
	host_alive();
}

static bool queue_in_nmi(struct pt_regs *regs)
{
	struct piece *piece = &from_nmi[this_cpu->index];

	(void)regs;
	if (irq_work_queue(&piece->work))
		atomic_fetch_add_explicit(&piece->queued, 1, memory_order_relaxed);
	return true;
}

void works_init(void)
{
	for (unsigned int cpu = 0; cpu < host_cpus; cpu++) {
		shared[cpu] = (struct piece){ .work = { .func = run }, .cpu = cpu };
		from_nmi[cpu] = (struct piece){ .work = { .func = run }, .cpu = cpu };
	}
	hook_before = trap_set_hook(TRAP_NMI, queue_in_nmi);
}

void works_end(void)
{
	trap_set_hook(TRAP_NMI, hook_before);
}

void work_send(uint64_t *random)
{
	unsigned int cpu = (unsigned int)random_below(random, host_cpus);

	if (irq_work_queue_on(&shared[cpu].work, cpu))
		atomic_fetch_add_explicit(&shared[cpu].queued, 1, memory_order_relaxed);
}

void nmi_strike(uint64_t *random)
{
	arch_send_nmi((unsigned int)random_below(random, host_cpus));
}

static uint64_t verify(struct piece *piece)
{
	uint64_t queued = atomic_load_explicit(&piece->queued, memory_order_relaxed);

	if (queued != piece->runs || irq_work_is_busy(&piece->work))
		host_fail("irq_work of CPU %u was queued %lu times and ran %lu times%s", piece->cpu,
			  queued, piece->runs, irq_work_is_busy(&piece->work) ? ", busy" : "");
	return piece->runs;
}

uint64_t works_verify(void)
{
	uint64_t runs = 0;

	for (unsigned int cpu = 0; cpu < host_cpus; cpu++)
		runs += verify(&shared[cpu]) + verify(&from_nmi[cpu]);
	return runs;
}

/*
 * Makes the per-CPU data. A CPU's call descriptors are a ring for its unwaited calls,
 * large enough for a call to everyone and some more, and a row of one for each target
 * for its waited call (see csd.h).
 */
#include <arch/ipi.h>
#include <arch/mm.h>
#include <kernel/mm/frames.h>
#include <kernel/panic.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/csd.h>
#include <lib/errno.h>
#include <lib/string.h>

#define SPARE_CSDS 64 /* beyond two for each CPU */

unsigned int nr_cpus, cpumask_words = 1;
struct cpu *cpus[MAX_CPUS] = { &boot_cpu };
struct cpumask cpu_online_mask;
struct cpu boot_cpu = {
	.self = &boot_cpu,
	.preempt_count = PREEMPT_ENABLED,
	.current = &boot_cpu.boot_thread,
	.idle = &boot_cpu.boot_thread, /* until it has another */
	.tlb = TLB_OF_NOBODY,
};

static void *alloc(size_t size)
{
	uint64_t frames = frames_alloc((size + PAGE_SIZE - 1) / PAGE_SIZE, ~0ull);

	return frames ? phys_to_virt(frames) : NULL;
}

/* One more than can be used: the last is never free and marks where to begin again. */
static int add_csds(struct cpu *cpu)
{
	uint32_t count = 2 * nr_cpus + SPARE_CSDS; /* one held for long leaves a row for all */
	struct csd *pool = alloc((count + 1) * sizeof(struct csd));

	if (!pool)
		return -ENOMEM;
	cpu->csd_pool = cpu->csd_next = pool;
	cpu->csd_count = count;
	for (uint32_t i = 0; i < count; i++)
		pool[i].src = (uint16_t)cpu->index;
	atomic_store_explicit(&pool[count].state, CSD_END, memory_order_relaxed);

	cpu->csd_wait = alloc(nr_cpus * sizeof(struct csd));
	if (!cpu->csd_wait)
		return -ENOMEM;
	for (uint32_t i = 0; i < nr_cpus; i++) {
		cpu->csd_wait[i].waited = true;
		cpu->csd_wait[i].src = (uint16_t)cpu->index;
	}
	return 0;
}

/* Tells one CPU of another. Release: who finds it finds one that can take IPIs. */
static void set_peer(struct cpu *cpu, unsigned int peer, bool online)
{
	struct llist_head *queue = online ? &cpus[peer]->call_single_queue : NULL;

	if (!cpu || cpu->index == peer)
		return;
	atomic_store_explicit(&cpu->peer_queue[peer], queue, memory_order_release);
	if (online)
		cpumask_set_atomic(&cpu->peers, peer);
	else
		cpumask_clear_atomic(&cpu->peers, peer);
}

void cpu_set_online(unsigned int cpu, bool online)
{
	if (!online)
		arch_all_online(false);
	for (unsigned int i = 0; i < nr_cpus; i++)
		set_peer(cpus[i], cpu, online);
	if (online)
		cpumask_set_atomic(&cpu_online_mask, cpu);
	else
		cpumask_clear_atomic(&cpu_online_mask, cpu);
	if (cpumask_weight(&cpu_online_mask) == nr_cpus)
		arch_all_online(true);
}

struct cpu *cpu_create(unsigned int index)
{
	struct cpu *cpu = alloc(sizeof(*cpu));

	if (!cpu)
		return NULL;
	cpu->self = cpu;
	cpu->index = index;
	cpu->preempt_count = PREEMPT_ENABLED;
	cpu->current = cpu->idle = &cpu->boot_thread;
	atomic_store_explicit(&cpu->boot_thread.cpu, index, memory_order_relaxed);
	cpu->boot_thread.wanted_cpu = index;
	memcpy(cpu->boot_thread.name, "idle", sizeof("idle"));
	runq_init(&cpu->runq);
	cpu->tlb = (struct tlb)TLB_OF_NOBODY;
	if (add_csds(cpu))
		return NULL;
	for_each_cpu(peer, &cpu_online_mask)
		set_peer(cpu, peer, true);
	cpus[index] = cpu;
	return cpu;
}

void cpu_start_boot_cpu(void)
{
	cpumask_words = (nr_cpus + 63) / 64;
	if (add_csds(&boot_cpu))
		panic("smp: no memory for the boot CPU's call descriptors");
	cpu_set_online(0, true);
}

void smp_processor_id_may_change(void)
{
	panic("smp: a thread that may be moved asks which CPU it is on");
}

/*
 * Questions are numbered. A CPU answers the last one put to it, by its number: one
 * that comes to its NMI late, after its asker gave up, does not confuse the next.
 *
 *   asker                                   target
 *   look_wanted ← number (release), NMI  ─► look_wanted (acquire) is not look_done:
 *                                           its own snapshot
 *   look_done == number (acquire)        ◄─ look_done ← number (release)
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/time.h>
#include <kernel/console/printk.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/nmi.h>
#include <kernel/smp/spinlock.h>
#include <lib/errno.h>
#include <lib/printf.h>

static struct spinlock asking;
static uint32_t number;           /* of the last question */
static char text[PRINTK_MAX + 1]; /* the asker's */

bool nmi_try_begin(void)
{
	return spin_trylock(&asking);
}

void nmi_end(void)
{
	spin_unlock(&asking);
}

bool look_on_nmi(const struct pt_regs *regs)
{
	struct cpu *cpu = this_cpu->self;
	uint32_t wanted = atomic_load_explicit(&cpu->look_wanted, memory_order_acquire);

	if (wanted == atomic_load_explicit(&cpu->look_done, memory_order_relaxed))
		return false;
	snapshot_take(&cpu->snapshot, regs);
	atomic_store_explicit(&cpu->look_done, wanted, memory_order_release);
	return true;
}

static void ask(unsigned int cpu)
{
	atomic_store_explicit(&cpus[cpu]->look_wanted, number, memory_order_release);
	arch_send_nmi(cpu);
}

static const struct snapshot *answer(unsigned int cpu, uint64_t start)
{
	uint64_t limit = ns_to_cycles(NMI_ANSWER_NS);

	while (atomic_load_explicit(&cpus[cpu]->look_done, memory_order_acquire) != number) {
		if (cycles() - start > limit)
			return NULL;
		cpu_relax();
	}
	return &cpus[cpu]->snapshot;
}

const struct snapshot *nmi_look(unsigned int cpu)
{
	number++;
	ask(cpu);
	return answer(cpu, cycles());
}

static void print_one(unsigned int cpu, const struct snapshot *snapshot)
{
	char irqs[64];
	int used;

	if (!snapshot) {
		printk("CPU %u  %s\n", cpu,
		       cpu_online(cpu) ? "did not answer the NMI" : "is not online");
		return;
	}
	used = snprintf(text, sizeof(text), "CPU %u  %s%s, in\n", cpu,
			snapshot->halted ? "halted, " : "",
			snapshot_format_irqs(snapshot, irqs, sizeof(irqs)));
	used += (int)snapshot_format_trace(snapshot, 0, text + used, sizeof(text) - (size_t)used);
	printk_raw(text, (size_t)used);
}

static void print_all(const struct cpumask *mask, const struct cpumask *asked)
{
	uint64_t start = cycles();

	for_each_cpu(cpu, mask) {
		if (cpu == this_cpu->index)
			print_one(cpu, &this_cpu->self->snapshot);
		else
			print_one(cpu, cpumask_test(asked, cpu) ? answer(cpu, start) : NULL);
	}
}

static bool begin_in_time(void)
{
	uint64_t start = cycles(), limit = ns_to_cycles(NMI_BUSY_NS);

	while (!nmi_try_begin()) {
		if (cycles() - start > limit)
			return false;
		cpu_relax();
	}
	return true;
}

int nmi_backtrace(const struct cpumask *mask)
{
	struct cpumask asked = { 0 };

	if (!mask)
		return -EINVAL;
	if (!begin_in_time())
		return -EBUSY;
	number++;
	for_each_cpu(cpu, mask) {
		if (!cpu_online(cpu) || cpu == this_cpu->index)
			continue;
		cpumask_set(&asked, cpu);
		ask(cpu);
	}
	snapshot_take_here(&this_cpu->self->snapshot, __builtin_frame_address(0));
	print_all(mask, &asked);
	nmi_end();
	return 0;
}

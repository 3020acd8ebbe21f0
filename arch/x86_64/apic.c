/*
 * The local APIC: its registers, and sending in all its forms. Its mode is chosen in
 * apic_mode.c; the two accesses on every IPI's path, ICR and EOI, are inline in
 * <arch/apic_regs.h>.
 */
#include "apic.h"
#include "regs.h"
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/mm.h>
#include <kernel/console/printk.h>
#include <kernel/panic.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>
#include <lib/string.h>

#define TPR_ALL            0xf0
#define SVR_ENABLE         (1u << 8)
#define DFR_FLAT           0xffffffffu
#define FLAT_CPUS          8
#define X2_CLUSTER         0xffff0000u
#define LVT_COUNT(version) (((version) >> 16 & 0xff) + 1)

#define LEAF_TOPOLOGY 0xb

uint32_t apic_dest[MAX_CPUS];
uint32_t xapic_icr_timeouts;
uint32_t xapic_busy_bits = ICR_BUSY, xapic_pretended_looks;

/* For multicast: targets whose values differ in no bit of same_bits can share an ICR write. */
static uint32_t logical_id[MAX_CPUS];
static uint32_t same_bits;
bool apic_shorthands;
static bool shorthands_allowed; /* by the MADT: no enabled CPU was left out or failed */
static bool logical_differs;    /* an APIC whose logical id is not what its id gives */

/* xAPIC's flat mode has a bit for each of at most eight CPUs. */
static bool has_logical(void)
{
	return (apic_x2 || nr_cpus <= FLAT_CPUS) && !logical_differs;
}

uint32_t apic_read(unsigned int offset)
{
	return apic_x2 ? (uint32_t)rdmsr(X2APIC_MSR(offset)) : *xapic_register(offset);
}

void apic_write(unsigned int offset, uint32_t value)
{
	if (apic_x2)
		wrmsr(X2APIC_MSR(offset), value);
	else
		*xapic_register(offset) = value;
}

uint32_t apic_id(void)
{
	return apic_x2 ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

static uint32_t id_at_reset(void)
{
	if (cpuid(0, 0).eax >= LEAF_TOPOLOGY && cpuid(LEAF_TOPOLOGY, 0).ebx)
		return cpuid(LEAF_TOPOLOGY, 0).edx;
	return cpuid(1, 0).ebx >> 24;
}

/* The same choice as in the trampoline. In x2APIC mode the id is the one of reset. */
uint32_t apic_id_from_firmware(void)
{
	uint32_t id = id_at_reset(), xapic_id;

	if ((rdmsr(MSR_APIC_BASE) & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) != APIC_BASE_ENABLE)
		return id;
	xapic_id = *xapic_register(APIC_ID) >> 24;
	return xapic_id == (id & 0xff) ? id : xapic_id;
}

uint32_t apic_read_esr(void)
{
	apic_write(APIC_ESR, 0); /* latches what has come since the last write */
	return apic_read(APIC_ESR);
}

void apic_set_id(unsigned int cpu, uint32_t id)
{
	apic_dest[cpu] = apic_x2 ? id : id << 24;
	if (apic_x2) /* fixed by the id: SDM vol. 3 §11.12.10.2 */
		logical_id[cpu] = (id >> 4) << 16 | 1u << (id & 15);
	else if (cpu < FLAT_CPUS)
		logical_id[cpu] = 1u << (24 + cpu);
}

void apic_init(uint64_t phys, uint32_t highest_id)
{
	apic_choose_mode(highest_id);
	if (arch_map(APIC_VIRT, phys, PAGE_SIZE, MAP_WRITE | MAP_UNCACHED))
		panic("apic: cannot map the registers at %#lx", phys);
	same_bits = apic_x2 ? X2_CLUSTER : 0;
}

/*
 * A mask bit that is set is left alone: some emulators start the timer's clock
 * at any write to its entry.
 */
static void mask_lvt(unsigned int offset)
{
	uint32_t entry = apic_read(offset);

	if (!(entry & LVT_MASKED))
		apic_write(offset, entry | LVT_MASKED);
}

static void mask_all_lvts(void)
{
	unsigned int count = LVT_COUNT(apic_read(APIC_VERSION));

	mask_lvt(APIC_LVT_TIMER);
	mask_lvt(APIC_LVT_LINT0);
	mask_lvt(APIC_LVT_LINT1);
	if (count > 4)
		mask_lvt(APIC_LVT_PERF);
	if (count > 5)
		mask_lvt(APIC_LVT_THERMAL);
	if (count > 6)
		mask_lvt(APIC_LVT_CMCI);
}

/* What was in service when firmware or a loader left would block its class for ever. */
static void drop_in_service(void)
{
	for (unsigned int word = 0; word < 8; word++) {
		for (uint32_t bits = apic_read(APIC_ISR + word * 16); bits; bits &= bits - 1)
			apic_eoi();
	}
}

void apic_cpu_init(void)
{
	apic_enter_mode();
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS_VECTOR);
	mask_all_lvts();
	apic_write(APIC_TPR, 0);
	if (!apic_x2) {
		apic_write(APIC_DFR, DFR_FLAT);
		apic_write(APIC_LDR, logical_id[this_cpu->index]);
	}
	if (apic_read(APIC_LDR) != logical_id[this_cpu->index])
		logical_differs = true;
	drop_in_service();
	apic_read_esr();
	apic_write(APIC_LVT_ERROR, ERROR_VECTOR);
}

/* SDM vol. 3 figure 11-9, from bit 0 on. */
static void on_error(void)
{
	static const char *const causes[8] = {
		"send checksum",          "receive checksum", "send accept",
		"receive accept",         "redirectable IPI", "send illegal vector",
		"receive illegal vector", "illegal register",
	};
	uint32_t errors = apic_read_esr();

	for (unsigned int bit = 0; bit < 8; bit++) {
		if (errors >> bit & 1)
			printk("apic: CPU %u: error: %s\n", this_cpu->index, causes[bit]);
	}
}

void apic_report_errors(void)
{
	irq_register(ERROR_VECTOR, on_error);
}

/* SDM vol. 3 §11.8.3.1: priority class 15 and all below it are held back. */
void arch_hold_back_interrupts(bool hold)
{
	apic_write(APIC_TPR, hold ? TPR_ALL : 0);
}

/* After the first send the ICR's other bits are never all 0: they serve as the busy bit. */
int arch_pretend_busy(uint32_t looks)
{
	if (apic_x2)
		return -ENODEV;
	xapic_pretended_looks = looks;
	xapic_busy_bits = looks ? ~0u : ICR_BUSY;
	return 0;
}

void apic_allow_shorthands(bool allowed)
{
	shorthands_allowed = allowed;
	apic_shorthands = allowed;
}

void arch_all_online(bool all)
{
	apic_shorthands = all && shorthands_allowed;
}

/*
 * For sends that may happen inside an NMI, which can strike between another
 * send's two writes: the high half is put back.
 */
static void write_icr_nested(uint32_t destination, uint32_t command)
{
	unsigned long flags = irq_save();
	uint32_t saved = 0;

	if (!apic_x2)
		saved = *xapic_register(APIC_ICR2);
	apic_write_icr(destination, command);
	if (!apic_x2)
		*xapic_register(APIC_ICR2) = saved;
	irq_restore(flags);
}

void arch_send_nmi(unsigned int cpu)
{
	write_icr_nested(apic_dest[cpu], ICR_NMI);
}

/* By its id: the self shorthand cannot carry an NMI (SDM vol. 3 table 11-3). */
void arch_send_nmi_self(void)
{
	arch_send_nmi(this_cpu->index);
}

/* The high half means nothing here, and an NMI may have come between another send's two. */
static void xapic_send_self(uint32_t command)
{
	xapic_wait_while_busy();
	*xapic_register(APIC_ICR) = command;
}

void arch_send_ipi_self(enum ipi_vector vector)
{
	if (apic_x2)
		asm volatile("mfence; lfence; wrmsr"
			     :
			     : "c"(X2APIC_MSR(APIC_SELF_IPI)), "a"(vector), "d"(0)
			     : "memory");
	else
		xapic_send_self(ICR_FIXED | ICR_SELF | vector);
}

void apic_send_init(uint32_t id)
{
	apic_write_icr(apic_x2 ? id : id << 24, ICR_INIT);
}

void apic_send_startup(uint32_t id, unsigned int page)
{
	apic_write_icr(apic_x2 ? id : id << 24, ICR_STARTUP | page);
}

static unsigned int send_physical(const struct cpumask *mask, enum ipi_vector vector)
{
	unsigned int writes = 0;

	for_each_cpu(cpu, mask) {
		arch_send_ipi(cpu, vector);
		writes++;
	}
	return writes;
}

/* Gathers neighbours of one cluster into one write: no cluster lies apart (cpu_order). */
static unsigned int send_logical(const struct cpumask *mask, enum ipi_vector vector)
{
	unsigned int writes = 0;
	uint32_t targets = 0;

	for_each_cpu(cpu, mask) {
		if (targets && (targets ^ logical_id[cpu]) & same_bits) {
			apic_write_icr(targets, ICR_FIXED | ICR_LOGICAL | vector);
			writes++;
			targets = 0;
		}
		targets |= logical_id[cpu];
	}
	if (!targets)
		return writes;
	apic_write_icr(targets, ICR_FIXED | ICR_LOGICAL | vector);
	return writes + 1;
}

unsigned int arch_send_ipi_mask(const struct cpumask *mask, enum ipi_vector vector)
{
	return has_logical() ? send_logical(mask, vector) : send_physical(mask, vector);
}

unsigned int arch_send_ipi_all(enum ipi_vector vector)
{
	if (!apic_shorthands)
		return arch_send_ipi_mask(&cpu_online_mask, vector);
	apic_write_icr(0, ICR_FIXED | ICR_ALL | vector);
	return 1;
}

unsigned int arch_send_ipi_allbutself(enum ipi_vector vector)
{
	struct cpumask others;

	if (apic_shorthands) {
		arch_send_ipi_shorthand(vector);
		return 1;
	}
	others = cpu_online_mask;
	cpumask_clear(&others, this_cpu->index);
	return arch_send_ipi_mask(&others, vector);
}

bool arch_ipi_pending(enum ipi_vector vector)
{
	return apic_read(APIC_IRR + vector / 32 * 16) >> (vector % 32) & 1;
}

void arch_ipi_state(uint32_t *pending, uint32_t *in_service)
{
	*pending = apic_read(APIC_IRR + IPI_BITS_FROM / 32 * 16);
	*in_service = apic_read(APIC_ISR + IPI_BITS_FROM / 32 * 16);
}

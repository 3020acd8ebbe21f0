/*
 * The interrupt descriptor table: one for all CPUs, 256 gates, built once.
 *
 *   word 0   entry 15…0 | selector | ist 2…0 | P DPL 0 type | entry 31…16
 *   word 1   entry 63…32 | 0                      (SDM vol. 3 figure 6-8)
 */
#include "tables_load.h"
#include <arch/ipi.h>
#include <arch/tables.h>
#include <kernel/panic.h>
#include <stdatomic.h>

#define GATES          256
#define GATE_INTERRUPT 0xe
#define GATE_TRAP      0xf /* none is made */
#define STUB_SIZE      9   /* of isr.S */

struct gate {
	uint16_t entry_low, selector;
	uint8_t ist, type; /* type: P DPL 0 type */
	uint16_t entry_middle;
	uint32_t entry_high, reserved;
};

static_assert(sizeof(struct gate) == 16, "SDM vol. 3 figure 6-8");

extern const char isr_stubs[];
extern const char isr_call_function_single[], isr_call_function[];
extern const char isr_reschedule[], isr_tlb_flush[], isr_example[];

static struct gate idt[GATES] __attribute__((aligned(4096)));

/* The IPIs that are measured in instructions. */
static const struct {
	unsigned int vector;
	const void *entry;
} short_entries[] = {
	{ CALL_FUNCTION_SINGLE_VECTOR, isr_call_function_single },
	{ CALL_FUNCTION_VECTOR, isr_call_function },
	{ RESCHEDULE_VECTOR, isr_reschedule },
	{ TLB_FLUSH_VECTOR, isr_tlb_flush },
	{ EXAMPLE_VECTOR, isr_example },
};
#define SHORT_ENTRIES (sizeof(short_entries) / sizeof(short_entries[0]))

static struct gate make_gate(const void *entry, uint8_t type, unsigned int dpl, unsigned int ist)
{
	uint64_t address = (uint64_t)entry;

	return (struct gate){
		.entry_low = (uint16_t)address,
		.entry_middle = (uint16_t)(address >> 16),
		.entry_high = (uint32_t)(address >> 32),
		.selector = GDT_KERNEL_CODE,
		.ist = (uint8_t)ist,
		.type = (uint8_t)(0x80 | dpl << 5 | type),
	};
}

static void set_gate(unsigned int vector, const void *entry, uint8_t type, unsigned int dpl,
		     unsigned int ist)
{
	BUG_ON(vector >= GATES);
	BUG_ON(dpl != 0 && dpl != 3);
	BUG_ON(ist > IST_COUNT);
	idt[vector] = make_gate(entry, type, dpl, ist);
}

void set_intr_gate(unsigned int vector, const void *entry, unsigned int ist)
{
	set_gate(vector, entry, GATE_INTERRUPT, 0, ist);
}

void set_system_gate(unsigned int vector, const void *entry)
{
	BUG_ON(vector != TRAP_BP && vector != TRAP_OF && vector != SYSCALL_VECTOR);
	set_gate(vector, entry, GATE_INTERRUPT, 3, IST_NONE);
}

struct gate_info idt_gate(unsigned int vector)
{
	const struct gate *gate = &idt[vector % GATES];
	uint64_t entry = (uint64_t)gate->entry_high << 32 | (uint32_t)gate->entry_middle << 16 |
			 gate->entry_low;

	return (struct gate_info){
		.entry = (const void *)entry,
		.ist = gate->ist,
		.dpl = gate->type >> 5 & 3,
		.is_trap = (gate->type & 0xf) == GATE_TRAP,
		.present = gate->type >> 7,
		.selector = gate->selector,
	};
}

static const void *stub(unsigned int vector)
{
	return isr_stubs + vector * STUB_SIZE;
}

void idt_init(void)
{
	for (unsigned int vector = 0; vector < GATES; vector++)
		set_intr_gate(vector, stub(vector), IST_NONE);

	set_intr_gate(TRAP_DF, stub(TRAP_DF), IST_DF);
	set_intr_gate(TRAP_NMI, stub(TRAP_NMI), IST_NMI);
	set_intr_gate(TRAP_MC, stub(TRAP_MC), IST_MC);
	set_intr_gate(TRAP_DB, stub(TRAP_DB), IST_DB);
	set_system_gate(TRAP_BP, stub(TRAP_BP));
	set_system_gate(TRAP_OF, stub(TRAP_OF));
	set_system_gate(SYSCALL_VECTOR, stub(SYSCALL_VECTOR));

	for (unsigned int i = 0; i < SHORT_ENTRIES; i++)
		set_intr_gate(short_entries[i].vector, short_entries[i].entry, IST_NONE);
}

/*
 * The halves of an entry's address that two entries in the kernel's text differ in are
 * in the first word, so that a CPU which takes the vector meanwhile finds either gate.
 */
void idt_use_general_entry(unsigned int vector, bool general)
{
	for (unsigned int i = 0; i < SHORT_ENTRIES; i++) {
		const void *entry = general ? stub(vector) : short_entries[i].entry;
		_Atomic uint64_t *word = (_Atomic uint64_t *)&idt[vector % GATES];
		struct gate gate;

		if (short_entries[i].vector != vector)
			continue;
		gate = make_gate(entry, GATE_INTERRUPT, 0, IST_NONE);
		BUG_ON(gate.entry_high != idt[vector].entry_high);
		atomic_store_explicit(word, *(uint64_t *)&gate, memory_order_release);
	}
}

void idt_load(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, (uint64_t)idt };

	asm volatile("lidt %0" : : "m"(pointer));
}

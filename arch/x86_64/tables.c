/*
 * A CPU's own GDT and TSS, and its GS base. The IDT is one for all (idt.c).
 */
#include "tables_load.h"
#include "regs.h"
#include <kernel/smp/cpu.h>
#include <lib/string.h>

#define DESCRIPTOR_CODE64 0x00af9b000000ffffull
#define DESCRIPTOR_DATA   0x00cf93000000ffffull
#define DESCRIPTOR_CODE32 0x00cf9b000000ffffull
#define DESCRIPTOR_USER   (3ull << 45)
#define DESCRIPTOR_TSS    (0x89ull << 40) /* present, available 64-bit TSS */

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

/* A TSS descriptor is two slots long (SDM vol. 3 figure 8-4). */
static void set_tss_descriptor(uint64_t *slot, const struct tss *tss)
{
	uint64_t base = (uint64_t)tss;

	slot[0] = DESCRIPTOR_TSS | (sizeof(*tss) - 1) | (base & 0xffffff) << 16 |
		  (base >> 24 & 0xff) << 56;
	slot[1] = base >> 32;
}

static void build_gdt(struct descriptor_tables *tables)
{
	uint64_t *gdt = tables->gdt;

	gdt[GDT_KERNEL_CODE / 8] = DESCRIPTOR_CODE64;
	gdt[GDT_KERNEL_DATA / 8] = DESCRIPTOR_DATA;
	gdt[GDT_USER_CODE32 / 8] = DESCRIPTOR_CODE32 | DESCRIPTOR_USER;
	gdt[GDT_USER_DATA / 8] = DESCRIPTOR_DATA | DESCRIPTOR_USER;
	gdt[GDT_USER_CODE / 8] = DESCRIPTOR_CODE64 | DESCRIPTOR_USER;
	set_tss_descriptor(&gdt[GDT_TSS / 8], &tables->tss);
}

static void load_gdt(struct descriptor_tables *tables)
{
	struct table_pointer pointer = { sizeof(tables->gdt) - 1, (uint64_t)tables->gdt };

	asm volatile("lgdt %0\n\t"
		     "push %1\n\t"
		     "lea 1f(%%rip), %%rax\n\t"
		     "push %%rax\n\t"
		     "lretq\n"
		     "1:\n\t"
		     "mov %w2, %%ds\n\t"
		     "mov %w2, %%es\n\t"
		     "mov %w2, %%ss\n\t"
		     "mov %w3, %%fs\n\t"
		     "mov %w3, %%gs\n\t"
		     "ltr %w4"
		     :
		     : "m"(pointer), "i"(GDT_KERNEL_CODE), "r"(GDT_KERNEL_DATA), "r"(0),
		       "r"(GDT_TSS)
		     : "rax", "memory");
}

void tables_load(struct cpu *cpu)
{
	struct descriptor_tables *tables = &cpu->arch.tables;

	build_gdt(tables);
	tables->tss.iomap_base = sizeof(tables->tss);
	load_gdt(tables);
	/* Only now: loading the GS selector cleared the base. */
	wrmsr(MSR_GS_BASE, (uint64_t)cpu);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
}

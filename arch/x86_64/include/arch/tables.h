/*
 * The layout of a CPU's descriptor tables (SDM vol. 3 §3.5, §8.7): its GDT, its
 * TSS, and where its interrupt stacks are.
 */
#ifndef ARCH_TABLES_H
#define ARCH_TABLES_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define GDT_KERNEL_CODE 0x08
#define GDT_KERNEL_DATA 0x10
#define GDT_USER_CODE32 0x18 /* the order that SYSRET wants */
#define GDT_USER_DATA   0x20
#define GDT_USER_CODE   0x28
#define GDT_TSS         0x30 /* two slots */
#define GDT_SLOTS       8

/* Exceptions that may strike while the stack is bad get one of their own. */
enum ist {
	IST_NONE = 0,
	IST_DF = 1,
	IST_NMI = 2,
	IST_MC = 3,
	IST_DB = 4,
	IST_COUNT = 4,
};

#define IST_STACK_SIZE 8192ul

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t iomap_base;
} __attribute__((packed, aligned(4)));

static_assert(sizeof(struct tss) == 104, "SDM vol. 3 figure 8-11");
static_assert(offsetof(struct tss, ist) == 36, "SDM vol. 3 figure 8-11");

struct descriptor_tables {
	uint64_t gdt[GDT_SLOTS];
	struct tss tss;
	uint64_t stack_top; /* the stack that the CPU started its C on */
};

#endif

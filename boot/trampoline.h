/* What the trampoline's assembler and the C that fills it in agree on. */
#ifndef BOOT_TRAMPOLINE_H
#define BOOT_TRAMPOLINE_H

#define TRAMPOLINE_RECORDS 4096 /* offset of the first record */
#define TRAMPOLINE_CODE32  0x08
#define TRAMPOLINE_DATA    0x10
#define TRAMPOLINE_CODE64  0x18

#define AP_RECORD_SIZE  8
#define AP_RECORD_INDEX 4
#define AP_RECORD_STAGE 6

/* How far an AP has climbed. Each stage is written by the AP itself. */
#define AP_STAGE_SILENT 0 /* nothing heard since the SIPI */
#define AP_STAGE_REAL   1 /* behind it, and it knows who it is */
#define AP_STAGE_LONG   2
#define AP_STAGE_C      3
#define AP_STAGE_APIC   4
#define AP_STAGE_ONLINE 5

#ifndef __ASSEMBLER__

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

struct ap_record {
	uint32_t apic_id;
	uint16_t index;
	volatile uint8_t stage;
	uint8_t unused;
};

static_assert(sizeof(struct ap_record) == AP_RECORD_SIZE, "fixed by the trampoline");
static_assert(offsetof(struct ap_record, index) == AP_RECORD_INDEX, "fixed by the trampoline");
static_assert(offsetof(struct ap_record, stage) == AP_RECORD_STAGE, "fixed by the trampoline");

/* Offsets and addresses are relative to the page until ap_start fills them in. */
struct trampoline_args {
	uint16_t gdt_limit;
	uint32_t gdt_base;
	uint16_t pad;
	uint32_t jump32, code32;
	uint32_t jump64, code64;
	uint32_t cr3;
	uint32_t efer;
	uint32_t records, pad2;
	uint64_t stacks;
	uint64_t kernel_cr3;
	uint64_t entry;
} __attribute__((packed));

static_assert(offsetof(struct trampoline_args, cr3) == 24, "fixed by the trampoline");
static_assert(offsetof(struct trampoline_args, stacks) == 40, "fixed by the trampoline");
static_assert(sizeof(struct trampoline_args) == 64, "fixed by the trampoline");

extern const char trampoline_start[], trampoline_args[], trampoline_end[];

#endif
#endif

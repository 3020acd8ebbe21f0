/* Numbers that the first instructions and the C after them must agree on. */
#ifndef BOOT_ENTRY_H
#define BOOT_ENTRY_H

#define MULTIBOOT2_LOADER_MAGIC 0x36d76289
#define PVH_START_MAGIC         0x336ec578

#define DIRECT_MAP_SLOT 256 /* PML4 index of 0xffff800000000000 */
#define BOOT_STACK_SIZE 16384

#define EARLY_TABLE    0x3  /* present, writable */
#define EARLY_2MB_PAGE 0x83 /* and a large page */
#define EARLY_CODE     0x8

#define CR0_PE   (1 << 0)
#define CR0_MP   (1 << 1)
#define CR0_NE   (1 << 5)
#define CR0_WP   (1 << 16)
#define CR0_PG   (1 << 31)
#define CR4_PAE  (1 << 5)
#define MSR_EFER 0xc0000080
#define EFER_LME (1 << 8)
#define EFER_NXE (1 << 11)

#define MSR_APIC_BASE    0x1b
#define APIC_BASE_X2APIC (1 << 10)
#define APIC_BASE_ENABLE (1 << 11)

#endif

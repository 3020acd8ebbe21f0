/*
 * From the loader to C. Two doors, one corridor:
 *
 *   multiboot2_entry   eax = loader's magic, ebx = its tag list (Multiboot2 §3.3)
 *   pvh_entry          ebx = hvm_start_info (Xen's docs/misc/pvh.pandoc)
 *
 * Both leave the CPU in 32-bit protected mode without paging. The corridor makes
 * early page tables of 2 MB pages for the first 4 GB, mapped three times:
 *
 *   0                    identity, for the jump itself
 *   DIRECT_MAP           where phys_to_virt() points
 *   KERNEL_VIRT          (the first 2 GB) where the kernel is linked
 *
 * and calls boot_main(magic, info) in the higher half. What it cannot run on is
 * told in words on the serial line and the text screen.
 */
#include "entry.h"

#define MULTIBOOT2_HEADER_MAGIC 0xe85250d6
#define MULTIBOOT2_ARCH_I386 0
#define HEADER_LENGTH (header_end - header_start)
#define TAG_OPTIONAL 1

#define TEXT_SCREEN 0xb8000
#define WHITE_ON_RED 0x4f
#define COM1_DATA 0x3f8
#define COM1_LSR 0x3fd
#define LSR_ROOM 0x20
#define LSR_POLLS 100000 /* a tenth of a second; an absent port reads as ready */

.section .multiboot2, "a"
.balign 8
header_start:
	.long MULTIBOOT2_HEADER_MAGIC
	.long MULTIBOOT2_ARCH_I386
	.long HEADER_LENGTH
	.long -(MULTIBOOT2_HEADER_MAGIC + MULTIBOOT2_ARCH_I386 + HEADER_LENGTH)

	/* Framebuffer, any size, 32 bits if there is a choice; we can live without. */
	.balign 8
	.short 5, TAG_OPTIONAL
	.long 20, 0, 0, 32

	/* Load modules on page borders. */
	.balign 8
	.short 6, 0
	.long 8

	.balign 8
	.short 0, 0
	.long 8
header_end:

/* XEN_ELFNOTE_PHYS32_ENTRY: where a PVH loader (QEMU's -kernel) jumps to. */
.section .note.pvh, "a", @note
	.long 4, 4, 18
	.asciz "Xen"
	.long pvh_entry

.section .boot.text, "ax"
.code32

.global multiboot2_entry
multiboot2_entry:
	mov	%eax, %edi
	mov	%ebx, %esi
	cmp	$MULTIBOOT2_LOADER_MAGIC, %eax
	je	corridor
	mov	$wrong_loader, %esi
	jmp	die

pvh_entry:
	mov	(%ebx), %edi
	mov	%ebx, %esi
	cmp	$PVH_START_MAGIC, %edi
	je	corridor
	mov	$wrong_loader, %esi
	jmp	die

corridor:
	cli
	cld
	mov	$early_stack_top, %esp
	call	require_long_mode
	/* The clock is read here: a CPU that has long mode has a TSC. */
	rdtsc
	mov	%eax, boot_info_phys
	mov	%edx, boot_info_phys + 4
	call	make_page_tables
	jmp	enter_long_mode

/*
 * CPUID itself is there on everything that a multiboot2 or PVH loader runs on,
 * save for a 486: the ID bit of EFLAGS can be flipped if it is (SDM vol. 1 §3.4.3).
 * Leaves ebx = 1 if NX is there.
 */
require_long_mode:
	pushfl
	pop	%eax
	mov	%eax, %ecx
	xor	$1 << 21, %eax
	push	%eax
	popfl
	pushfl
	pop	%eax
	cmp	%eax, %ecx
	je	no_long_mode
	mov	$0x80000000, %eax
	cpuid
	cmp	$0x80000001, %eax
	jb	no_long_mode
	mov	$0x80000001, %eax
	cpuid
	mov	%edx, %ebx
	shr	$20, %ebx
	and	$1, %ebx
	test	$1 << 29, %edx
	jz	no_long_mode
	ret
no_long_mode:
	mov	$no_64_bit, %esi
	jmp	die

make_page_tables:
	mov	$early_pd, %eax
	or	$EARLY_TABLE, %eax
	xor	%ecx, %ecx
1:	mov	%eax, early_pdpt_low(, %ecx, 8)
	add	$4096, %eax
	inc	%ecx
	cmp	$4, %ecx
	jne	1b

	/* The kernel's window is the top 2 GB: the last two entries of its PDPT. */
	mov	early_pdpt_low, %eax
	mov	%eax, early_pdpt_high + 510 * 8
	mov	early_pdpt_low + 8, %eax
	mov	%eax, early_pdpt_high + 511 * 8

	movl	$early_pdpt_low + EARLY_TABLE, early_pml4
	movl	$early_pdpt_low + EARLY_TABLE, early_pml4 + DIRECT_MAP_SLOT * 8
	movl	$early_pdpt_high + EARLY_TABLE, early_pml4 + 511 * 8

	mov	$EARLY_2MB_PAGE, %eax
	xor	%ecx, %ecx
1:	mov	%eax, early_pd(, %ecx, 8)
	add	$0x200000, %eax
	inc	%ecx
	cmp	$4 * 512, %ecx
	jne	1b
	ret

/*
 * SDM vol. 3 §10.8.5: PAE, CR3, EFER.LME, then paging, then a far jump. CR4 is written
 * whole: with LA57, which firmware may have left on, our tables would be read as five
 * levels.
 */
enter_long_mode:
	mov	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	$early_pml4, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	shl	$11, %ebx
	or	%ebx, %eax
	wrmsr
	mov	$CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_PE, %eax
	mov	%eax, %cr0
	lgdt	early_gdt_pointer
	ljmp	$EARLY_CODE, $long_mode

/* esi = text. The last words of a machine that has no C yet: COM1 and the text screen. */
die:
	cld	/* a loader may leave it either way */
	mov	$TEXT_SCREEN, %edi
1:	lodsb
	test	%al, %al
	jz	3f
	mov	$WHITE_ON_RED, %ah
	stosw
	mov	%al, %bl
	mov	$COM1_LSR, %edx
	mov	$LSR_POLLS, %ecx
2:	in	%dx, %al
	test	$LSR_ROOM, %al
	loopz	2b
	mov	%bl, %al
	mov	$COM1_DATA, %edx
	out	%al, %dx
	jmp	1b
3:	cli
	hlt
	jmp	3b

.code64
long_mode:
	xor	%eax, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%eax, %fs
	mov	%eax, %gs
	mov	%edi, %edi
	mov	%esi, %esi
	mov	$higher_half, %rax
	jmp	*%rax

.section .boot.data, "a"
wrong_loader:
	.asciz "nudge: PANIC: started by neither a multiboot2 nor a PVH loader (wrong magic)\r\n"
no_64_bit:
	.asciz "nudge: PANIC: this CPU has no 64-bit mode, Nudge needs one\r\n"
.balign 8
early_gdt:
	.quad 0
	.quad 0x00af9b000000ffff
early_gdt_pointer:
	.short . - early_gdt - 1
	.long early_gdt

.section .boot.bss, "aw", @nobits
.balign 4096
early_pml4:
	.skip 4096
early_pdpt_low:
	.skip 4096
early_pdpt_high:
	.skip 4096
early_pd:
	.skip 4 * 4096
	.skip 256
early_stack_top:

.text
/* An end of the frame-pointer chain, then C for good. */
higher_half:
	lea	boot_stack_top(%rip), %rsp
	xor	%ebp, %ebp
	call	boot_main
	ud2

.bss
.balign 4096
.global boot_stack
boot_stack:
	.skip BOOT_STACK_SIZE
.global boot_stack_top
boot_stack_top:

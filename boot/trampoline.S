/*
 * Where an application processor wakes up: real mode, at a page below 1 MB that
 * the SIPI's vector names (SDM vol. 3 §9.4.4). This text is copied there, with
 * the arguments filled in and a table of records behind it:
 *
 *   page 0                trampoline_start … trampoline_end, arguments inside
 *   page 1 …              struct ap_record[]: APIC id, index, stage
 *
 * Every AP runs this at the same time, so nothing here is shared but what each
 * only reads; the record is the AP's own, found by its APIC id. A CPU that finds
 * no record was not asked for and parks.
 */
#include "entry.h"
#include "trampoline.h"

#define OFFSET(label) (label - trampoline_start)

#define XAPIC_ID_REGISTER 0x20

.section .rodata
.balign 16
.global trampoline_start
trampoline_start:
.code16
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds

	xor	%ebx, %ebx
	mov	%cs, %bx
	shl	$4, %ebx
	lgdtl	OFFSET(arg_gdt_pointer)
	/* INIT leaves CD and NW as they were, reset sets them: this turns the caches on. */
	mov	$CR0_PE, %eax
	mov	%eax, %cr0
	ljmpl	*OFFSET(arg_jump32)

/* ebx = where this page is */
.code32
trampoline32:
	mov	$TRAMPOLINE_DATA, %ax
	mov	%ax, %ds
	mov	%ax, %ss
	mov	%ebx, %ebp

	/*
	 * No stack yet, so no calls. Leaf 0Bh where there is one: only it has ids
	 * over 254 (SDM vol. 3 §9.4.5).
	 */
	xor	%eax, %eax
	cpuid
	cmp	$0xb, %eax
	jb	1f
	mov	$0xb, %eax
	xor	%ecx, %ecx
	cpuid
	test	%bx, %bx
	jnz	2f
1:	mov	$1, %eax
	cpuid
	mov	%ebx, %edx
	shr	$24, %edx
2:	mov	%edx, %edi

	/*
	 * CPUID has the id that reset gave. Firmware may have given another one since,
	 * which xAPIC's 8 bits tell; in x2APIC mode it cannot.
	 */
	mov	$MSR_APIC_BASE, %ecx
	rdmsr
	mov	%eax, %ecx
	and	$(APIC_BASE_ENABLE | APIC_BASE_X2APIC), %ecx
	cmp	$APIC_BASE_ENABLE, %ecx
	jne	3f
	and	$0xfffff000, %eax
	mov	XAPIC_ID_REGISTER(%eax), %eax
	shr	$24, %eax
	mov	%edi, %ecx
	cmp	%al, %cl
	je	3f
	mov	%eax, %edi

	/* edi = the id; esi = the record with that id */
3:	lea	TRAMPOLINE_RECORDS(%ebp), %esi
	mov	OFFSET(arg_records)(%ebp), %ecx
4:	test	%ecx, %ecx
	jz	park
	cmp	%edi, (%esi)
	je	5f
	add	$AP_RECORD_SIZE, %esi
	dec	%ecx
	jmp	4b
park:
	cli
	hlt
	jmp	park
5:	movb	$AP_STAGE_REAL, AP_RECORD_STAGE(%esi)

	mov	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	OFFSET(arg_cr3)(%ebp), %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	or	OFFSET(arg_efer)(%ebp), %eax
	wrmsr
	mov	$CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_PE, %eax
	mov	%eax, %cr0
	ljmp	*OFFSET(arg_jump64)(%ebp)

.code64
trampoline64:
	movb	$AP_STAGE_LONG, AP_RECORD_STAGE(%rsi)
	movzwl	AP_RECORD_INDEX(%rsi), %edi
	mov	OFFSET(arg_stacks)(%rbp), %rax
	mov	(%rax, %rdi, 8), %rsp
	mov	OFFSET(arg_kernel_cr3)(%rbp), %rdx
	mov	OFFSET(arg_entry)(%rbp), %rax
	xor	%ebp, %ebp
	/* The code after this must be mapped in both: jump from a copy in the kernel. */
	mov	$trampoline_leave, %rcx
	jmp	*%rcx

.balign 16
arg_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff /* TRAMPOLINE_CODE32 */
	.quad 0x00cf93000000ffff /* TRAMPOLINE_DATA */
	.quad 0x00af9b000000ffff /* TRAMPOLINE_CODE64 */
.balign 8
.global trampoline_args
trampoline_args:
arg_gdt_pointer:
	.short . - arg_gdt - 1
	.long OFFSET(arg_gdt)
	.short 0
arg_jump32:
	.long OFFSET(trampoline32)
	.long TRAMPOLINE_CODE32
arg_jump64:
	.long OFFSET(trampoline64)
	.long TRAMPOLINE_CODE64
arg_cr3:
	.long 0
arg_efer:
	.long 0
arg_records:
	.long 0
	.long 0
arg_stacks:
	.quad 0
arg_kernel_cr3:
	.quad 0
arg_entry:
	.quad 0
.global trampoline_end
trampoline_end:

/* rax = entry, rdx = CR3, edi = the CPU's index */
.text
trampoline_leave:
	mov	%rdx, %cr3
	call	*%rax
	ud2

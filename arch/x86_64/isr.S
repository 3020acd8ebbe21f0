/*
 * From a vector to C.
 *
 * There are three ways in. All leave DF clear, the kernel's GS base in force and
 * interrupts off: every gate that leads here is an interrupt gate.
 *
 *   general   256 stubs, then isr_common: the whole struct pt_regs
 *   own stack #DB, NMI, #DF and #MC may strike between an entry's first
 *             instruction and its SWAPGS: isr_paranoid looks at the GS base itself
 *   short     the IPIs that are measured in instructions: what C may clobber, no more
 */
#define MSR_GS_BASE 0xc0000101
#define PREEMPT_COUNT 8 /* in struct cpu: 0 when the thread is to be left, and may be */

/* Vectors for which the CPU pushes an error code (SDM vol. 3 §6.15, APM vol. 2 §8.2). */
#define ERROR_CODE_VECTORS 0x60227d00
#define OWN_STACK_VECTORS 0x00040106

.section .text.isr, "ax"

/*
 *              general frame            short frame
 *   +0xa8      ss                 +0x68  ss
 *   +0xa0      rsp                +0x60  rsp
 *   +0x98      rflags             +0x58  rflags
 *   +0x90      cs                 +0x50  cs
 *   +0x88      rip                +0x48  rip
 *   +0x80      error or 0         +0x40  rax
 *   +0x78      vector             +0x38  rcx
 *   +0x00      r15 … rdi          +0x00  r11 … r8 rdi rsi rdx
 *
 * The CPU aligns the stack to 16 before it pushes ss; 22 and 14 words on, it is
 * aligned again, as a call needs it.
 */
.macro push_registers
	push	%rdi
	push	%rsi
	push	%rdx
	push	%rcx
	push	%rax
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
.endm

.macro pop_registers
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rsi
	pop	%rdi
	add	$16, %rsp
.endm

.global isr_stubs
isr_stubs:
.set vector, 0
.rept 256
1:	.if !(vector < 32 && (ERROR_CODE_VECTORS >> (vector & 31)) & 1)
	push	$0
	.endif
	.byte	0x6a, vector	/* push a byte: it is sign-extended */
	.if vector < 32 && (OWN_STACK_VECTORS >> (vector & 31)) & 1
	jmp	isr_paranoid
	.else
	jmp	isr_common
	.endif
	.org	1b + 9	/* the longest, and STUB_SIZE of idt.c */
	.set vector, vector + 1
.endr

.balign 16
isr_common:
	testb	$3, 24(%rsp) /* saved cs: from ring 3? */
	jz	1f
	swapgs
1:	push_registers
	cld
	mov	%rsp, %rdi
	call	isr_dispatch
.global isr_common_return
isr_common_return:
	testb	$3, 0x90(%rsp)
	jz	1f
	swapgs
1:	pop_registers
	iretq

/* The kernel's GS base is in the upper half, a user's is not: the sign tells. */
isr_paranoid:
	push_registers
	cld
	xor	%ebx, %ebx
	mov	$MSR_GS_BASE, %ecx
	rdmsr
	test	%edx, %edx
	js	1f
	swapgs
	inc	%ebx
1:	mov	%rsp, %rdi
	call	isr_dispatch_own_stack
.global isr_paranoid_return
isr_paranoid_return:
	test	%ebx, %ebx
	jz	1f
	swapgs
1:	pop_registers
	iretq

#define SHORT_FRAME_RIP 0x48

.macro call_saving_scratch handler, may_switch
	push	%rax
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	call	\handler
	.if \may_switch
	cmpl	$0, %gs:PREEMPT_COUNT
	jne	3f
	cmpb	$0, arch_has_smap(%rip)
	je	2f
	clac	/* whoever goes on instead may not have a user's pages open */
2:	mov	SHORT_FRAME_RIP(%rsp), %rdi
	call	preempt_schedule_irq
3:
	.endif
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rax
.endm

/*
 * Written out twice, so that the kernel's own way asks only once where it came from.
 * RESCHEDULE alone looks whether the thread is to be left: who finds that out in a
 * call's function sends it to this CPU, so that a call pays nothing for it.
 *
 * A user's pages that were open to what was interrupted (RFLAGS.AC) are so to the handler. To
 * close them would cost each call two instructions, three with SMAP; who wants such pages opens
 * them itself and closes them behind, and the IRETQ brings the flag back. But it must not get to
 * another thread: before this one is left it is cleared.
 */
.macro ipi_entry name, handler, may_switch=0
.balign 16
.global \name
\name:
	testb	$3, 8(%rsp)
	jnz	1f
	call_saving_scratch \handler, \may_switch
	iretq
1:	swapgs
	cld
	call_saving_scratch \handler, \may_switch
	swapgs
	iretq
.endm

ipi_entry isr_call_function_single, on_call_function_single
ipi_entry isr_call_function, on_call_function
ipi_entry isr_reschedule, on_reschedule, may_switch=1
ipi_entry isr_example, on_example

/*
 * The handler saves what it uses, which is little; only its answer is in rax. Not zero: there is
 * more to do, by a function that clobbers what any C may.
 */
.balign 16
.global isr_tlb_flush
isr_tlb_flush:
	testb	$3, 8(%rsp)
	jnz	2f
	push	%rax
	call	on_tlb_flush_quick
	test	%al, %al
	jnz	1f
	pop	%rax
	iretq
1:	pop	%rax
	call_saving_scratch on_tlb_flush_rest, 0
	iretq
2:	swapgs
	cld
	call_saving_scratch on_tlb_flush, 0
	swapgs
	iretq

.text
/* cpu_switch_stack(rdi = new top, rsi = next) */
.global cpu_switch_stack
cpu_switch_stack:
	mov	%rdi, %rsp
	xor	%ebp, %ebp
	call	*%rsi
	ud2

/*
 * From one stack to another. A stack that was left looks so, lowest address first:
 *
 *            left by arch_switch           never used
 *   sp →     rbp                           0, where a backtrace ends
 *   +0x08    return address, to the call   arch_begin
 *   +0x10                                  the function to begin with
 *
 * No other register is kept: the call tells the compiler that it loses them all. RFLAGS
 * is not kept either: interrupts are off on both sides, DF is clear in C, and so is AC, for
 * who calls has no user's pages open, and the way here from an interrupt closes them (isr.S).
 */
.text

/* rax = arch_switch_stack(rdi = where to note sp, rsi = the other sp, rdx = prev) */
.global arch_switch_stack
.balign 16
arch_switch_stack:
	push	%rbp
	mov	%rsp, (%rdi)
	mov	%rsi, %rsp
	mov	%rdx, %rax
	pop	%rbp
	ret

/* A new stack begins here, with prev in rax. */
arch_begin:
	pop	%rcx
	mov	%rax, %rdi
	call	*%rcx
	ud2

/* rax = arch_new_stack(rdi = top, rsi = function) */
.global arch_new_stack
arch_new_stack:
	lea	arch_begin(%rip), %rcx
	lea	-0x28(%rdi), %rax /* two words above: the call finds the stack aligned */
	movq	$0, (%rax)
	mov	%rcx, 0x08(%rax)
	mov	%rsi, 0x10(%rax)
	ret

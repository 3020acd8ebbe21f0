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

/* arch_switch_stack(rdi = where to note sp, rsi = the other sp) */
.global arch_switch_stack
.balign 16
arch_switch_stack:
	push	%rbp
	mov	%rsp, (%rdi)
	mov	%rsi, %rsp
	pop	%rbp
	ret

/* arch_switch_stack_special(the same, rdx = prev, rcx = what is called with it on the other) */
.global arch_switch_stack_special
arch_switch_stack_special:
	push	%rbp
	mov	%rsp, (%rdi)
	mov	%rsi, %rsp
	mov	(%rsp), %rbp
	mov	%rdx, %rdi
	call	*%rcx
	pop	%rbp
	ret

/* A new stack begins here. */
arch_begin:
	pop	%rcx
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

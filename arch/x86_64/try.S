/*
 * Running a function that may have to be ended in the middle: int arch_try(rdi = func,
 * rsi = info, rdx = struct arch_try *). What a function may not clobber is kept there.
 */
.text
.global arch_try
arch_try:
	mov	%rbx, 0x00(%rdx)
	mov	%rbp, 0x08(%rdx)
	mov	%r12, 0x10(%rdx)
	mov	%r13, 0x18(%rdx)
	mov	%r14, 0x20(%rdx)
	mov	%r15, 0x28(%rdx)
	mov	%rsp, 0x30(%rdx)
	mov	%rdi, %rax
	mov	%rsi, %rdi
	call	*%rax
	xor	%eax, %eax
	ret

/* Where a fault returns to that trap_abort has seen: rax = the error, rdx as above. */
.global arch_try_aborted
arch_try_aborted:
	mov	0x00(%rdx), %rbx
	mov	0x08(%rdx), %rbp
	mov	0x10(%rdx), %r12
	mov	0x18(%rdx), %r13
	mov	0x20(%rdx), %r14
	mov	0x28(%rdx), %r15
	mov	0x30(%rdx), %rsp
	ret

/*
 * What a page fault says (SDM vol. 3 §4.7).
 */
#include "page_fault.h"
#include "extable.h"
#include "regs.h"
#include <arch/irq.h>
#include <arch/tables.h>
#include <arch/uaccess.h>
#include <lib/errno.h>
#include <lib/printf.h>

#define PF_PRESENT  1
#define PF_WRITE    2
#define PF_USER     4
#define PF_RESERVED 8
#define PF_FETCH    16

#define RFLAGS_AC (1ul << 18)

extern const char arch_try_aborted[];

void page_fault_describe(const struct pt_regs *regs, char *text, size_t size)
{
	uint64_t e = regs->error;

	snprintf(text, size, "%s, %s by %s%s at %#lx",
		 e & PF_PRESENT ? "protection" : "not present",
		 e & PF_FETCH ? "fetch" :
		 e & PF_WRITE ? "write" :
				"read",
		 e & PF_USER ? "user" : "kernel", e & PF_RESERVED ? ", reserved bit set" : "",
		 read_cr2());
}

/*
 * The kernel may touch a user's page only while it has opened them, where the CPU can tell; it
 * may never run one. A reserved bit means that the tables are broken.
 */
static bool is_allowed(const struct pt_regs *regs)
{
	if (regs->error & PF_RESERVED)
		return false;
	if (regs->error & PF_USER)
		return true;
	return !(regs->error & PF_FETCH) && (!arch_has_smap || regs->rflags & RFLAGS_AC);
}

struct page_fault page_fault_decode(const struct pt_regs *regs)
{
	return (struct page_fault){
		.address = read_cr2(),
		.wants = regs->error & PF_FETCH ? MAP_EXEC :
			 regs->error & PF_WRITE ? MAP_WRITE :
						  0,
		.allowed = is_allowed(regs),
		.irqs_on = !irqs_disabled_flags(regs->rflags),
		.by_user = regs->error & PF_USER,
		.expected = !(regs->cs & 3) && extable_find(regs->rip),
	};
}

void page_fault_recall(const struct page_fault *fault)
{
	write_cr2(fault->address);
}

void trap_abort(struct pt_regs *regs, const struct arch_try *frame)
{
	regs->rip = (uint64_t)arch_try_aborted;
	regs->rax = (uint64_t)-EFAULT;
	regs->rdx = (uint64_t)frame;
	regs->rsp = frame->rsp; /* these three were a user's, if it came from ring 3 */
	regs->cs = GDT_KERNEL_CODE;
	regs->ss = GDT_KERNEL_DATA;
	regs->rflags &= ~RFLAGS_AC;
}

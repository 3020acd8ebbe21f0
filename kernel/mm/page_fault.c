/*
 * A page fault in the lower half goes to the space in use. If that cannot serve it: who expected
 * it hears of it, who runs as a user's code is ended, and else the kernel itself is broken. So it
 * is, too, if it faults in its own half, where a user has no business.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/trap.h>
#include <kernel/console/printk.h>
#include <kernel/mm/page_fault.h>
#include <kernel/sched/preempt.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>

static const char *reason(const struct page_fault *fault, int error)
{
	if (fault->address >= USER_END)
		return "no user may have a page there";
	if (!aspace_current())
		return "no address space is in use";
	if (!fault->allowed)
		return "the kernel has not opened the user's pages, or runs in one";
	if (!fault->irqs_on)
		return "interrupts are off";
	if (error == -ENOMEM)
		return "there is no memory for a copy";
	return fault->wants == MAP_WRITE ? "no page there may be written" :
	       fault->wants == MAP_EXEC  ? "no page there may be run" :
					   "no page is there";
}

static void report(const struct pt_regs *regs, const struct page_fault *fault, int error)
{
	printk("FAULT on CPU %u at %#lx, which nobody can serve: %s\n", this_cpu->index,
	       fault->address, reason(fault, error));
	trap_print(regs);
	backtrace_print(regs);
}

/*
 * With interrupts off it may be a handler that faulted, and who holds preemption off may hold a
 * lock, too: neither can be ended.
 */
static bool end_user(struct pt_regs *regs, const struct page_fault *fault, int error)
{
	if (!this_cpu->current->user_run || !fault->irqs_on || preempt_count())
		return false;
	report(regs, fault, error);
	trap_abort(regs, this_cpu->current->user_run);
	return true;
}

static int try_to_serve(const struct page_fault *fault)
{
	struct aspace *aspace = aspace_current();
	int error;

	if (!aspace || !fault->allowed || !fault->irqs_on)
		return -EFAULT;
	irq_enable();
	error = aspace_fault(aspace, fault->address, fault->wants);
	irq_disable();
	return error;
}

static bool on_page_fault(struct pt_regs *regs)
{
	struct page_fault fault = page_fault_decode(regs);
	int error;

	if (fault.address >= LOWER_END && !fault.by_user)
		return false;
	error = try_to_serve(&fault);
	if (!error)
		return true;
	page_fault_recall(&fault);
	return !fault.expected && end_user(regs, &fault, error);
}

void page_fault_start(void)
{
	trap_set_hook(TRAP_PF, on_page_fault);
}

int user_run(void (*func)(void *info), void *info)
{
	struct arch_try frame, *outer = this_cpu->current->user_run;
	int error;

	this_cpu->current->user_run = &frame;
	error = arch_try(func, info, &frame);
	this_cpu->current->user_run = outer;
	return error;
}

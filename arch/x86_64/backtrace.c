/*
 * Backtraces along the frame pointers. Nothing is read that does not lie on one
 * of this CPU's stacks, so a corrupt chain ends the trace and never faults: an
 * NMI's IRET after a fault would open the door to the next NMI on the same stack.
 *
 *   rbp → | caller's rbp | return address |
 *
 * Where a return address lies in isr.S, the interrupted place is in the frame
 * that the entry saved just above it.
 */
#include <arch/cpu.h>
#include <arch/mm.h>
#include <arch/trap.h>
#include <kernel/console/printk.h>
#include <kernel/debug/symbols.h>
#include <kernel/smp/cpu.h>

#define MAX_DEPTH       32
#define SHORT_FRAME_RIP 9 /* words from the end of the handler's frame to rip */

extern const char isr_text_start[], isr_text_end[], text_start[], text_end[];
extern const char isr_common_return[], isr_paranoid_return[];
extern const char boot_stack[], boot_stack_top[];

static bool within(uint64_t address, uint64_t top, uint64_t size)
{
	return top && address >= top - size && address <= top - 16;
}

static bool on_known_stack(uint64_t address)
{
	const struct descriptor_tables *tables = &this_cpu->self->arch.tables;

	if (address % 8)
		return false;
	if (within(address, this_cpu->current->stack_top, KERNEL_STACK_SIZE) ||
	    within(address, tables->stack_top, KERNEL_STACK_SIZE))
		return true;
	for (unsigned int ist = 0; ist < IST_COUNT; ist++) {
		if (within(address, tables->tss.ist[ist], IST_STACK_SIZE))
			return true;
	}
	return within(address, (uint64_t)boot_stack_top, boot_stack_top - boot_stack);
}

static bool in_text(uint64_t rip)
{
	return rip >= (uint64_t)text_start && rip < (uint64_t)text_end;
}

/* The rip that an entry in isr.S saved, given the return address into it. */
static uint64_t interrupted_rip(uint64_t return_address, const uint64_t *after)
{
	uint64_t at;

	if (return_address < (uint64_t)isr_text_start || return_address >= (uint64_t)isr_text_end)
		return 0;
	if (return_address == (uint64_t)isr_common_return ||
	    return_address == (uint64_t)isr_paranoid_return)
		at = (uint64_t) & ((const struct pt_regs *)after)->rip;
	else
		at = (uint64_t)(after + SHORT_FRAME_RIP);
	return on_known_stack(at) ? *(const uint64_t *)at : 0;
}

void backtrace_walk(uint64_t rip, uint64_t rbp, backtrace_visit *visit, void *context)
{
	if (rip && !visit(rip, false, context))
		return;
	for (unsigned int depth = 0; depth < MAX_DEPTH && on_known_stack(rbp); depth++) {
		const uint64_t *frame = (const uint64_t *)rbp;
		uint64_t interrupted = interrupted_rip(frame[1], frame + 2);

		if (!in_text(frame[1]) || !visit(frame[1], true, context))
			return;
		if (interrupted && !visit(interrupted, false, context))
			return;
		rbp = frame[0];
	}
}

/* What arch_switch leaves begins like any frame. */
void backtrace_walk_stack(uint64_t sp, uint64_t top, backtrace_visit *visit, void *context)
{
	uint64_t rbp = sp;

	for (unsigned int depth = 0;
	     depth < MAX_DEPTH && within(rbp, top, KERNEL_STACK_SIZE) && !(rbp % 8); depth++) {
		const uint64_t *frame = (const uint64_t *)rbp;

		if (!in_text(frame[1]) || !visit(frame[1], true, context))
			return;
		rbp = frame[0];
	}
}

static bool print_line(uint64_t address, bool returns, void *context)
{
	bool *first = context;
	char symbol[80];

	symbol_format(address, returns, symbol, sizeof(symbol));
	printk("  %s %s\n", *first ? "in" : "  ", symbol);
	*first = false;
	return true;
}

void backtrace_print(const struct pt_regs *regs)
{
	bool first = true;

	if (regs)
		backtrace_walk(regs->rip, regs->rbp, print_line, &first);
	else
		backtrace_walk(0, (uint64_t)__builtin_frame_address(0), print_line, &first);
}

/*
 * Debug builds: counts that are left uneven.
 */
#include <kernel/debug/checks.h>
#include <kernel/debug/symbols.h>
#include <kernel/panic.h>
#include <kernel/sched/preempt.h>

#define NAME 64

void function_left_uneven(uint64_t func, uint32_t found)
{
	char name[NAME];

	warn("smp: the function %s left preempt count %#x, found %#x",
	     symbol_name(func, name, sizeof(name)), preempt_count(), found);
	preempt_count_add(found - preempt_count());
}

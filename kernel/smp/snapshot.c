/*
 * Taking a snapshot of one's own CPU, and putting it into words.
 *
 * A tick that is overdue while interrupts are off tells since when they are off at
 * least: nobody needs to note it down each time they are turned off.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/debug/symbols.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/snapshot.h>
#include <lib/age.h>
#include <lib/printf.h>
#include <lib/string.h>

static bool add_to_trace(uint64_t address, bool returns, void *context)
{
	struct snapshot *snapshot = context;

	snapshot->returns |= (unsigned int)returns << snapshot->depth;
	snapshot->trace[snapshot->depth++] = address;
	return snapshot->depth < SNAPSHOT_DEPTH;
}

static uint64_t tick_late(uint64_t now)
{
	uint64_t due = this_cpu->tick.at;

	return due && (int64_t)(now - due) > 0 ? now - due : 0;
}

void snapshot_take(struct snapshot *snapshot, const struct pt_regs *regs)
{
	struct trap_place place = trap_place(regs);
	uint64_t now = clock_ns();

	*snapshot = (struct snapshot){
		.irqs_off = place.irqs_off,
		.halted = place.halted,
		.taken_ns = now,
		.tick_late_ns = tick_late(now),
	};
	arch_ipi_state(&snapshot->pending, &snapshot->in_service);
	backtrace_walk(place.rip, place.frame, add_to_trace, snapshot);
}

void snapshot_take_here(struct snapshot *snapshot, const void *frame)
{
	*snapshot = (struct snapshot){ .irqs_off = irqs_disabled(), .taken_ns = clock_ns() };
	arch_ipi_state(&snapshot->pending, &snapshot->in_service);
	backtrace_walk(0, (uint64_t)frame, add_to_trace, snapshot);
}

void snapshot_format_place(const struct snapshot *snapshot, uint32_t i, char *text, size_t size)
{
	symbol_format(snapshot->trace[i], snapshot->returns >> i & 1, text, size);
}

size_t snapshot_format_trace(const struct snapshot *snapshot, uint32_t from, char *text,
			     size_t size)
{
	size_t used = 0;

	for (uint32_t i = from; i < snapshot->depth; i++) {
		char symbol[80], line[96];
		int length;

		snapshot_format_place(snapshot, i, symbol, sizeof(symbol));
		length = snprintf(line, sizeof(line), "     %s\n", symbol);
		if (used + (size_t)length >= size)
			break;
		memcpy(text + used, line, (size_t)length);
		used += (size_t)length;
	}
	return used;
}

const char *snapshot_format_irqs(const struct snapshot *snapshot, char *text, size_t size)
{
	char age[AGE_TEXT];

	if (snapshot->irqs_off && snapshot->tick_late_ns)
		snprintf(text, size, "interrupts off for at least %s",
			 age_format(snapshot->tick_late_ns, age, sizeof(age)));
	else
		snprintf(text, size, "interrupts %s", snapshot->irqs_off ? "off" : "on");
	return text;
}

/*
 * The end of a run that went wrong. The first CPU to get here stops the others
 * and speaks; what another CPU would have said is one line.
 *
 * It may get here again. If a console broke under what was said, that one is left out
 * and all is said once more; anything else is one line. After AGAIN_MAX times nothing
 * is said any more: the run ends, whatever is broken.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/machine.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/console/console.h>
#include <kernel/console/printk.h>
#include <kernel/debug/recorder.h>
#include <kernel/panic.h>
#include <kernel/run.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/stop.h>
#include <lib/printf.h>
#include <stdarg.h>
#include <stdatomic.h>

#define NOBODY      -1
#define MESSAGE_MAX 256
#define AGAIN_MAX   3

static _Atomic int panicking = NOBODY;

/* What it began with. */
static const struct pt_regs *first_regs;
static const char *first_message;

static void speak(const struct pt_regs *regs, const char *message)
{
	struct cpu_place place = { 0 };
	uint64_t us = clock_ns() / 1000;

	arch_cpu_place(this_cpu->index, &place);
	printk("\nPANIC on CPU %u (apic %u), %lu.%06lu s: %s\n", this_cpu->index, place.apic_id,
	       us / 1000000, us % 1000000, message);
	if (regs)
		trap_print(regs);
	backtrace_print(regs);
	stop_report();
	recorder_print(RECORDER_LINES);
	printk("Bail out! panic: %s\n", message);
}

static void __attribute__((noreturn)) panic_again(const char *message)
{
	static unsigned int times;

	if (++times > AGAIN_MAX)
		leave_run(VERDICT_PANIC);
	if (console_drop_broken()) {
		printk_seize();
		printk("\nA console broke and gets no more text: %s\n", message);
		speak(first_regs, first_message);
	} else {
		printk_seize();
		printk("PANIC inside the panic: %s\n", message);
	}
	finish_run(VERDICT_PANIC);
}

/* Only one CPU gets past this, and only once. */
static void become_the_one(const struct pt_regs *regs, const char *message)
{
	int nobody = NOBODY, me = (int)this_cpu->index;

	if (!atomic_compare_exchange_strong_explicit(&panicking, &nobody, me, memory_order_relaxed,
						     memory_order_relaxed)) {
		if (nobody != me)
			stop_this_cpu(message);
		panic_again(message);
	}
	first_regs = regs;
	first_message = message;
}

static void __attribute__((noreturn, format(printf, 2, 0)))
die(const struct pt_regs *regs, const char *format, va_list args)
{
	char message[MESSAGE_MAX];

	irq_disable();
	vsnprintf(message, sizeof(message), format, args);
	become_the_one(regs, message);
	smp_send_stop();
	printk_seize();
	speak(regs, message);
	finish_run(VERDICT_PANIC);
}

void panic(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	die(NULL, format, args);
}

void panic_regs(const struct pt_regs *regs, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	die(regs, format, args);
}

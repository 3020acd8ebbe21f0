/*
 * The boot order, as an outline.
 */
#include <arch/init.h>
#include <arch/irq.h>
#include <arch/machine.h>
#include <arch/mm.h>
#include <arch/time.h>
#include <kernel/bootword.h>
#include <kernel/console/printk.h>
#include <kernel/debug/recorder.h>
#include <kernel/main.h>
#include <kernel/mm/aspace.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/page_fault.h>
#include <kernel/panic.h>
#include <kernel/progress.h>
#include <kernel/run.h>
#include <kernel/sched/idle.h>
#include <kernel/sched/thread.h>
#include <kernel/sched/watchdog.h>
#include <kernel/sched/work.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/fault.h>
#include <kernel/smp/irq_work.h>
#include <kernel/smp/stop.h>
#include <kernel/time/tick.h>
#include <kernel/time/timer.h>
#include <kernel/version.h>

static void complain(const char *source, const char *word, const char *help)
{
	if (help)
		printk("# boot word from %s has a bad value: '%s' (%s)\n", source, word, help);
	else
		printk("# boot word from %s not known: '%s'\n", source, word);
}

static void read_command_lines(void)
{
	const char *source, *line;

	for (unsigned int i = 0; (line = arch_command_line(i, &source)); i++)
		boot_words_parse(line, source, complain);
}

static void __attribute__((noreturn)) main_on_own_stack(void)
{
	arch_late_console();
	printk("Nudge %s (%s), started by %s\n", nudge_version, nudge_commit, arch_firmware());
	arch_find_cpus();
	arch_time_init();
	arch_apic_init();
	cpu_start_boot_cpu();
	tick_init();
	timer_init();
	irq_work_init();
	thread_init();
	work_init();
	watchdog_init();
	stop_init();
	irq_enable();
	arch_start_cpus(progress_cpus);
	progress_done();
	recorder_boot();
	fault_start();
	run_selected();
}

void kernel_main(void)
{
	arch_early_traps();
	read_command_lines();
	arch_memory_found();
	arch_mm_init();
	frames_start();
	aspace_start();
	page_fault_start();
	arch_boot_cpu_stacks((void (*)(void))main_on_own_stack);
}

void kernel_ap_main(void)
{
	tlb_cpu_online();
	idle_loop();
}

/*
 * The idle loop, and its three ways to wait:
 *
 *   hlt    an interrupt ends it. STI lets one in only together with HLT, so none that
 *          came after the last look is lost
 *   poll   looks at the wake list again and again: a waker's store is enough
 *   mwait  the same, but the CPU rests until the line that the wake list is in is
 *          written to. MONITOR comes before the look, so no store after the look is lost
 *
 * Before it looks, a CPU that polls says so in wake_above: wakers then send no IPI. It
 * says so for as long as it looks, and schedule() takes it back before it empties the
 * list (wake.c).
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <kernel/bootword.h>
#include <kernel/console/printk.h>
#include <kernel/sched/idle.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wake_list.h>

enum idle { IDLE_HLT, IDLE_POLL, IDLE_MWAIT };
static const char *const idle_words[] = { "hlt", "poll", "mwait", NULL };
static unsigned int mode = IDLE_HLT;
BOOT_WORD_CHOICE(idle, idle_words, mode, "how idle CPUs wait: hlt, poll or mwait");

void idle_init(void)
{
	if (mode == IDLE_MWAIT && !cpu_has_monitor()) {
		printk("idle: this CPU has no MONITOR that can be used: hlt instead\n");
		mode = IDLE_HLT;
	}
}

const char *idle_mode(void)
{
	return idle_words[mode];
}

static void poll(struct cpu *cpu)
{
	irq_enable();
	while (!wake_is_wanted(cpu))
		cpu_relax();
	irq_disable();
}

static void mwait(struct cpu *cpu)
{
	while (!wake_is_wanted(cpu)) {
		cpu_monitor(&cpu->wake_list);
		if (!wake_is_wanted(cpu))
			cpu_mwait_until_interrupt();
	}
}

/* Preemption is held off, so that no interrupt leaves this thread while it says that it looks. */
static void wait_looking(struct cpu *cpu, void (*wait)(struct cpu *))
{
	preempt_disable();
	wake_tell(cpu, WAKE_POLLS);
	wait(cpu);
	atomic_store_explicit(&cpu->poked, false, memory_order_relaxed);
	preempt_enable_no_resched();
	set_need_resched();
}

void idle_loop(void)
{
	struct cpu *cpu = this_cpu->self;

	for (;;) {
		schedule_idle();
		cpu->idle_rounds++;
		if (mode == IDLE_HLT)
			cpu_halt_until_interrupt();
		else
			wait_looking(cpu, mode == IDLE_POLL ? poll : mwait);
	}
}

/*
 * The trap flag, and who comes in between.
 */
#include "step.h"
#include "test.h"
#include "threads.h"
#include "trap_flag.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/cpu.h>

struct stepping step;

/* As an interrupt would come here, if one can. No steps are left to whom the stepper makes room for. */
static bool on_step(struct pt_regs *regs)
{
	if (this_cpu->current == step.stepper && !step.stepper->on_runq)
		regs->rflags &= ~RFLAGS_TF;
	if (this_cpu->current != step.stepper || irqs_disabled_flags(regs->rflags))
		return true;
	if (++step.steps == step.only)
		regs->rflags &= ~RFLAGS_TF;
	if (!step.only || step.steps == step.only)
		thread_wake(step.intruder);
	return true;
}

static int intrude_when_woken(void *unused)
{
	(void)unused;
	if (step.prepare)
		step.prepare();
	for (;;) {
		thread_prepare_to_block();
		thread_block();
		if (atomic_load(&step.ended))
			return 0;
		step.intrusions++;
		step.intrude();
	}
}

/* It blocks, or is about to: woken in the last step, it may have ended already. */
static bool is_over(struct thread *thread)
{
	if (atomic_load(&thread->state) == THREAD_BLOCKED)
		thread_wake(thread);
	return thread_is_over(thread);
}

void step_through(void (*func)(void), void (*intrude)(void))
{
	trap_hook *before;

	step.stepper = this_cpu->current;
	step.intrude = intrude;
	step.steps = step.intrusions = step.wrong = 0;
	atomic_store(&step.ended, false);
	step.intruder = make_rt(this_cpu->index, 2, intrude_when_woken, NULL);
	thread_wake(step.intruder);
	before = trap_set_hook(TRAP_DB, on_step);
	set_trap_flag(true);
	func();
	set_trap_flag(false);
	trap_set_hook(TRAP_DB, before);
	atomic_store(&step.ended, true);
	EXPECT(WAIT_UNTIL(is_over(step.intruder)));
	join(step.intruder);
	EXPECT(step.steps > 0 && (step.only || step.intrusions > 0));
	EXPECT_EQ(step.wrong, 0);
}

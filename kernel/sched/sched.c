/*
 * Who has the CPU. All of it with interrupts off, on the CPU's own data: what other CPUs
 * want comes in through the wake list.
 *
 * Preemption is not counted at a switch: every thread is left and taken up again with the
 * same count, zero.
 */
#include <arch/cpu.h>
#include <arch/fpu.h>
#include <arch/irq.h>
#include <arch/switch.h>
#include <arch/time.h>
#include <kernel/mm/aspace.h>
#include <kernel/panic.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wake_list.h>
#include <kernel/smp/cpu.h>
#include <kernel/time/tick.h>

#define SLICE_TICKS 2

extern const char no_preempt_start[], no_preempt_end[];

static void (*thread_over)(struct thread *thread);

static uint32_t state_of(const struct thread *thread)
{
	return atomic_load_explicit(&thread->state, memory_order_relaxed);
}

static struct thread *go_idle(struct cpu *cpu)
{
	atomic_store_explicit(&cpu->idle_since, cycles(), memory_order_relaxed);
	return cpu->idle;
}

/* prev, if it can go on; or else it is put into its queue. */
static inline struct thread *choose(struct cpu *cpu, struct thread *prev)
{
	unsigned int best = runq_best(&cpu->runq);

	if (prev->on_runq) {
		if (best < prev->priority || (best == prev->priority && prev->slice))
			return prev;
		if (prev->slice) {
			runq_add_first(&cpu->runq, prev);
		} else {
			prev->slice = SLICE_TICKS;
			runq_add_last(&cpu->runq, prev);
		}
	}
	return best == PRIORITY_IDLE ? go_idle(cpu) : runq_take(&cpu->runq, best);
}

/*
 * From which priority on others owe this CPU an IPI. To one that runs a fair thread fair
 * threads come without, as long as its tick looks at the wake list.
 */
static inline void publish(struct cpu *cpu, const struct thread *next)
{
	uint32_t level = next->priority;

	if (level == PRIORITY_FAIR && !cpu->tick.slice_at)
		level = runq_best(&cpu->runq) == PRIORITY_FAIR && tick_start_slices();
	wake_tell(cpu, level);
}

/*
 * After a switch in which one side is special; on the stack of the other. The FPU's
 * registers are still as before left them.
 */
static void finish(struct thread *before)
{
	struct thread *self = this_cpu->current;

	if ((thread_special(before) | thread_special(self)) & THREAD_FPU)
		arch_fpu_switch(before->fpu, self->fpu);
	if ((thread_special(before) | thread_special(self)) & THREAD_SPACE)
		aspace_switch(self->aspace);
	if (thread_special(before) & THREAD_LEAVING) {
		thread_set_special(before, 0, THREAD_LEAVING);
		wake_elsewhere(before); /* from here on it is another CPU's */
		return;
	}
	if (!(thread_special(before) & THREAD_EXITED))
		return;
	thread_over(before);
	if (need_resched())
		resched_self();
}

static void __attribute__((noreturn, cold, noinline)) runs_already(const struct thread *thread)
{
	panic("sched: thread %u '%s' runs already", thread->id, thread->name);
}

/*
 * Goes on where next was left, and so returns when self gets a CPU again, maybe another.
 * A thread that runs has no sp: two CPUs on one stack would be worse than a panic.
 */
static inline void switch_to(struct cpu *cpu, struct thread *self, struct thread *next)
{
	uint64_t sp = next->sp;

	if (__builtin_expect(!sp, 0))
		runs_already(next);
	next->sp = 0;
	cpu->current = next;
	cpu->switches++;
	if (__builtin_expect(thread_special(self) | thread_special(next), 0))
		arch_switch_special(&self->sp, sp, self, finish);
	else
		arch_switch(&self->sp, sp);
}

static void __attribute__((noinline)) move_on(struct thread *prev)
{
	if (!(thread_special(prev) & THREAD_MOVES) || !prev->on_runq)
		return;
	prev->on_runq = false;
	thread_set_special(prev, THREAD_LEAVING, 0);
}

/* It would be the next thread's. Whoever counted it is in no backtrace any more. */
static void __attribute__((noinline, cold)) drop_count(const struct thread *self)
{
	warn("sched: thread %u '%s' is left with preempt count %#x", self->id, self->name,
	     preempt_count());
	preempt_count_sub(preempt_count());
}

static void __attribute__((noinline)) schedule(void)
{
	struct cpu *cpu = this_cpu->self;
	struct thread *prev = cpu->current, *next;

	if (debug_build)
		lock_order_none_held("held by a thread that is left");
	cpu->schedules++;
	clear_need_resched();
	wake_take(cpu, prev);
	if (thread_special(prev))
		move_on(prev);
	next = choose(cpu, prev);
	publish(cpu, next);
	if (next == prev)
		return;
	if (__builtin_expect(!preempt_count_equals(PREEMPT_ENABLED), 0))
		drop_count(prev);
	switch_to(cpu, prev, next);
}

void schedule_idle(void)
{
	while (need_resched())
		schedule();
}

static bool in_no_preempt_text(uint64_t rip)
{
	return rip >= (uint64_t)no_preempt_start && rip < (uint64_t)no_preempt_end;
}

void preempt_schedule_irq(uint64_t rip)
{
	if (in_no_preempt_text(rip))
		tick_come_soon(); /* if there is no timer, whatever comes next */
	else
		schedule();
}

/*
 * Nothing could be noted as due while the flag was lent out, so it is due now. An interrupt
 * in between counted from the wrong number, and back.
 */
void preempt_check_balance(void)
{
	if (!(preempt_count() & PREEMPT_BORROWED))
		return;
	preempt_count_add(PREEMPT_OFFSET);
	warn("sched: preemption is let in more often than it was held off");
	set_need_resched();
}

void preempt_enable_slowly(void)
{
	preempt_check_balance();
	preempt_check_resched();
}

void preempt_schedule(void)
{
	if (irqs_disabled()) {
		resched_self();
		return;
	}
	irq_disable();
	schedule();
	irq_enable();
}

bool thread_refuse_wait(const void *caller)
{
	preempt_check_balance();
	if (nothing_is_held_off())
		return true;
	warn_once_at(caller, "sched: a wait where none may be: interrupts %s, preempt count %#x",
		     irqs_disabled() ? "off" : "on", preempt_count());
	return false;
}

/* A function of its own, so that its caller is the place. */
bool __attribute__((noinline)) thread_may_wait(void)
{
	return caller_may_wait();
}

void thread_prepare_to_block(void)
{
	thread_set_blocked(this_cpu->current);
}

void thread_block(void)
{
	struct thread *self = this_cpu->current;

	irq_disable();
	if (state_of(self) != THREAD_RUNNING)
		self->on_runq = false;
	schedule();
	irq_enable();
}

/* One that was woken already is on the way through the wake list: it must come out there. */
void thread_stay(void)
{
	if (!thread_set_running(this_cpu->current))
		thread_block();
}

static void __attribute__((noinline)) yield_slowly(struct thread *self, const void *caller)
{
	if (preempt_count()) {
		irq_enable();
		thread_refuse_wait(caller);
		return;
	}
	self->slice = 0;
	schedule();
}

/* To the next of the same priority nothing has to be decided. */
void thread_yield(void)
{
	unsigned int priority;
	struct thread *self;
	struct cpu *cpu;

	if (__builtin_expect(irqs_disabled(), 0)) {
		thread_refuse_wait(__builtin_return_address(0));
		return;
	}
	irq_disable();
	cpu = this_cpu->self;
	self = cpu->current;
	priority = self->priority;
	if (__builtin_expect(runq_best(&cpu->runq) == priority && llist_empty(&cpu->wake_list) &&
				     preempt_count_equals(PREEMPT_ENABLED),
			     1))
		switch_to(cpu, self, runq_rotate(&cpu->runq, self, priority));
	else
		yield_slowly(self, __builtin_return_address(0));
	irq_enable();
}

void thread_begin(void)
{
	struct thread *self = this_cpu->current;

	irq_enable();
	preempt_check_resched();
	thread_end(self->func(self->arg));
}

/* What it left behind would be the next thread's. */
static void clean_up(const struct thread *self)
{
	if (preempt_count() || irqs_disabled())
		warn("sched: thread %u '%s' ends with interrupts %s, preempt count %#x", self->id,
		     self->name, irqs_disabled() ? "off" : "on", preempt_count());
	preempt_count_sub(preempt_count());
	irq_enable();
	if (debug_build)
		lock_order_thread_ends();
	if (thread_special(self) & THREAD_SPACE)
		aspace_use(NULL);
	if (state_of(self) != THREAD_RUNNING)
		thread_stay();
}

void thread_end(int result)
{
	struct thread *self = this_cpu->current;

	clean_up(self);
	irq_disable();
	self->result = result;
	thread_set_special(self, THREAD_EXITED, 0);
	self->on_runq = false;
	atomic_store_explicit(&self->state, THREAD_DEAD, memory_order_relaxed);
	schedule();
	panic("sched: thread %u '%s' goes on after its end", self->id, self->name);
}

/*
 * The scheduler's tick, which runs as long as fair threads take turns. Whether it goes
 * on. Where it ends, schedule() must tell others that nobody looks at the list any more.
 */
static bool on_slice_tick(void)
{
	struct cpu *cpu = this_cpu->self;
	struct thread *current = cpu->current;
	bool turns = current->priority == PRIORITY_FAIR && runq_best(&cpu->runq) >= PRIORITY_FAIR;

	if (turns && current->slice)
		current->slice--;
	if (!turns || !current->slice || !llist_empty(&cpu->wake_list))
		set_need_resched();
	return turns;
}

void sched_init(void (*over)(struct thread *thread))
{
	thread_over = over;
	tick_set_slicer(on_slice_tick);
}

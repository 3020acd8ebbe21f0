/*
 * A scheme of calls that waits too long says for whom, and what that CPU does.
 */
#include "capture.h"
#include "hold.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/time.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/watch.h>
#include <kernel/sched/work.h>
#include <kernel/time/tick.h>
#include <tests/schemes/scheme.h>
#include <tests/schemes/turn.h>

static void begin(const struct call_scheme *scheme)
{
	watch_set_deadline_ns(short_deadline_ns());
	tick_suspend();
	clear_runs();
	EXPECT_EQ(call_scheme_use(scheme), 0);
	test_about(scheme->name);
	capture_start();
}

static void end(void)
{
	capture_end();
	EXPECT_EQ(call_scheme_use(NULL), 0);
	tick_resume();
	watch_set_deadline_ns(0);
}

static void call_a_deaf_cpu(const struct call_scheme *scheme)
{
	unsigned int cpu = other_cpu(1);

	begin(scheme);
	EXPECT(make_deaf(cpu, scheme->turn ? "  on CPU" : "STALL: "));
	EXPECT_EQ(scheme->single(cpu, count_run, NULL, true), 0);
	end();
	EXPECT_EQ(all_runs(), 1);
	EXPECT(capture_has(text("STALL: CPU %u waits ", this_cpu->index),
			   text("for CPU %u to run count_run, called ", cpu),
			   text("on CPU %u ", cpu), ", interrupts off", "in spin_deaf+",
			   "STALL over"));
	if (scheme->turn)
		EXPECT(capture_has(text("called by %s\n", scheme->name),
				   text("on CPU %u the IPI is pending (IRR), interrupts off",
					cpu)));
}

TEST(scheme, call_to_a_deaf_cpu)
{
	if (lacks_cpus(2))
		return;
	for (const struct call_scheme *const *scheme = call_schemes; *scheme; scheme++)
		call_a_deaf_cpu(*scheme);
}

static const struct call_scheme *tried;
static int second_error;

static bool is_held(const struct turn *turn, unsigned int cpu)
{
	return atomic_load_explicit(&turn->holder, memory_order_relaxed) == cpu + 1;
}

/* When that CPU has the turn. */
static void call_here(void *cpu)
{
	EXPECT(WAIT_UNTIL(is_held(tried->turn, *(unsigned int *)cpu)));
	second_error = tried->single(*(unsigned int *)cpu, count_run, NULL, true);
}

/* A second CPU does not get its turn, since the first waits for a third, which is deaf. */
static void wait_for_a_turn(const struct call_scheme *scheme)
{
	unsigned int here = this_cpu->index, second = other_cpu(1), deaf_cpu = other_cpu(2);

	begin(scheme);
	tried = scheme;
	/* Until it was said what the first does, which is found out after the headline. */
	EXPECT(make_deaf(deaf_cpu, text("on CPU %u the IPI", here)));
	EXPECT_EQ(work_start(second, call_here, &here), 0);
	EXPECT_EQ(scheme->single(deaf_cpu, count_run, NULL, true), 0);
	work_wait(second);
	end();
	EXPECT_EQ(second_error, 0);
	EXPECT_EQ(all_runs(), 2);
	EXPECT(capture_has(text("STALL: CPU %u waits ", second),
			   text("for its turn in %s, which CPU %u has\n", scheme->name, here),
			   text("on CPU %u the IPI is absent (IRR and ISR), interrupts on", here)));
}

TEST(scheme, turn_that_does_not_come)
{
	if (lacks_cpus(3))
		return;
	for (const struct call_scheme *const *scheme = call_schemes; *scheme; scheme++) {
		if ((*scheme)->turn)
			wait_for_a_turn(*scheme);
	}
}

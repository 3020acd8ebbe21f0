/*
 * All users of a CPU's timer set it through arm, which chooses the earliest of them.
 * Whoever was interrupted by the timer finds it set again.
 *
 * The timer's registers are not touched until somebody asks for an interrupt:
 * emulators that cannot replay them stay usable for measuring.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/bootword.h>
#include <kernel/panic.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/time/tick.h>
#include <lib/errno.h>

#define USERS       4 /* of each kind */
#define SOON_NS     2000
#define SOON_MAX_NS 10000000

enum { TICK_ON, TICK_OFF };
static const char *const tick_words[] = { "on", "off", NULL };
static unsigned int wanted = TICK_ON;
BOOT_WORD_CHOICE(tick, tick_words, wanted, "on or off: the timer that looks for stuck CPUs");

static void (*_Atomic users[TICK_KINDS][USERS])(void);
static bool (*slicer)(void);
static _Atomic uint64_t period; /* 0: not started */
static atomic_uint suspended;

uint64_t tick_period_ns(void)
{
	return atomic_load_explicit(&period, memory_order_relaxed);
}

bool tick_is_running(void)
{
	return this_cpu->tick.at != 0;
}

static uint64_t earlier(uint64_t one, uint64_t other)
{
	if (!one || !other)
		return one | other;
	return (int64_t)(other - one) < 0 ? other : one;
}

static int arm(void)
{
	uint64_t at = earlier(earlier(this_cpu->tick.at, this_cpu->tick.slice_at),
			      earlier(this_cpu->tick.wake_at, this_cpu->tick.soon_at));
	int64_t left;

	if (!at)
		return 0;
	left = (int64_t)(at - clock_ns());
	return arch_timer_oneshot(left > 0 ? (uint64_t)left : 0);
}

static bool is_due(uint64_t at, uint64_t now)
{
	return at && (int64_t)(now - at) >= 0;
}

static void tell(enum tick_kind kind)
{
	for (unsigned int i = 0; i < USERS; i++) {
		/* Acquire: pairs with the release in tick_add. */
		void (*func)(void) = atomic_load_explicit(&users[kind][i], memory_order_acquire);

		if (!func)
			return;
		func();
	}
}

/* Keeps its phase, unless it is far behind or the clock ran backwards. */
static void set_next(uint64_t now)
{
	uint64_t length = tick_period_ns(), next = this_cpu->tick.at + length;

	if (next - now > length)
		next = now + length;
	this_cpu->tick.at = next;
	atomic_store_explicit(&this_cpu->self->tick.last, now, memory_order_relaxed);
}

/* A clock that ran back by more than a period would otherwise keep the tick away. */
static bool watch_is_due(uint64_t now)
{
	uint64_t at = this_cpu->tick.at;

	return at && now - (at - tick_period_ns()) >= tick_period_ns();
}

static void on_timer(void)
{
	uint64_t now = clock_ns();
	bool watch = watch_is_due(now), slice = is_due(this_cpu->tick.slice_at, now);

	this_cpu->tick.soon_at = 0;
	if (is_due(this_cpu->tick.wake_at, now)) {
		this_cpu->tick.wake_at = 0;
		tell(TICK_WAKE);
	}
	if (slice)
		this_cpu->tick.slice_at = slicer() ? now + SLICE_NS : 0;
	if (watch) {
		set_next(now);
		tell(TICK_WATCH);
	}
	if (watch || slice)
		tell(TICK_ANY);
	arm();
}

void tick_init(void)
{
	irq_register(LOCAL_TIMER_VECTOR, on_timer);
}

void tick_add(enum tick_kind kind, void (*func)(void))
{
	unsigned int i = 0;

	while (i < USERS && atomic_load_explicit(&users[kind][i], memory_order_relaxed))
		i++;
	BUG_ON(i == USERS);
	/* Release: who finds it finds what it uses; CPUs may tick already. */
	atomic_store_explicit(&users[kind][i], func, memory_order_release);
}

/*
 * Whether threads take turns, and what others must know of that, is for the scheduler to
 * say: whenever the ticks begin or end, it is called.
 *
 * Spread over a period, so that not all CPUs of a large machine tick at once.
 */
static void start_here(void *error)
{
	uint64_t length = tick_period_ns(), now = clock_ns();
	int failed;

	this_cpu->tick.at = now + length / 2 + length / 2 * smp_processor_id() / nr_cpus;
	atomic_store_explicit(&this_cpu->self->tick.last, now, memory_order_relaxed);
	failed = arm();
	if (failed)
		this_cpu->tick.at = 0;
	resched_self();
	if (error)
		*(int *)error = failed;
}

static void stop_here(void *info)
{
	(void)info;
	if (!this_cpu->tick.at)
		return;
	this_cpu->tick.at = this_cpu->tick.slice_at = 0;
	resched_self();
	arch_timer_stop();
	arm();
	tell(TICK_ANY); /* the last one, for what waits for it */
}

/* This CPU first: it learns the timer's rate for all. */
static int start_all(void)
{
	int error = 0;

	smp_call_function_single(smp_processor_id(), start_here, &error, true);
	if (!error)
		smp_call_function(start_here, NULL, true);
	return error;
}

int tick_start(uint64_t period_ns)
{
	int error;

	if (wanted == TICK_OFF)
		return 0;
	atomic_store_explicit(&period, period_ns, memory_order_relaxed);
	error = start_all();
	if (error)
		atomic_store_explicit(&period, 0, memory_order_relaxed);
	return error;
}

void tick_set_period(uint64_t period_ns)
{
	if (!tick_period_ns())
		return;
	atomic_store_explicit(&period, period_ns, memory_order_relaxed);
	if (!atomic_load_explicit(&suspended, memory_order_relaxed))
		start_all();
}

void tick_suspend(void)
{
	if (tick_period_ns() && !atomic_fetch_add_explicit(&suspended, 1, memory_order_relaxed))
		on_each_cpu(stop_here, NULL, true);
}

void tick_resume(void)
{
	if (tick_period_ns() && atomic_fetch_sub_explicit(&suspended, 1, memory_order_relaxed) == 1)
		start_all();
}

void tick_set_slicer(bool (*func)(void))
{
	slicer = func;
}

bool tick_start_slices(void)
{
	if (!tick_period_ns() || atomic_load_explicit(&suspended, memory_order_relaxed))
		return false;
	this_cpu->tick.slice_at = clock_ns() + SLICE_NS;
	if (arm())
		this_cpu->tick.slice_at = 0;
	return this_cpu->tick.slice_at;
}

/*
 * Where the way back takes longer than that, as in an emulator, the interrupted code would never
 * get on; so it is twice as late each time, until the thread was left.
 */
int tick_come_soon(void)
{
	struct tick *tick = &this_cpu->self->tick;
	uint64_t ns = tick->soon_when == this_cpu->schedules ? tick->soon_ns * 2 : SOON_NS;

	tick->soon_ns = ns > SOON_MAX_NS ? SOON_MAX_NS : ns;
	tick->soon_when = this_cpu->schedules;
	tick->soon_at = clock_ns() + tick->soon_ns;
	return arm();
}

int tick_wake_at(uint64_t ns)
{
	this_cpu->tick.wake_at = ns;
	return arm();
}

/*
 * Signals as interrupts. Handlers really interrupt: under plain C and AddressSanitizer at any
 * instruction. ThreadSanitizer's run-time library keeps signals until the next atomic operation or
 * call of the C library, and lets none in while a handler runs: there the NMI is like any other.
 */
#define _GNU_SOURCE
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <errno.h>
#include <kernel/mm/tlb_ipi.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/nmi.h>
#include <kernel/smp/stop.h>
#include <kernel/smp/vectors.h>
#include <lib/random.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <tests/host/smp/host.h>
#include <tests/host/smp/interrupts.h>
#include <tests/host/smp/mmu.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define JITTER 32 /* one in so many IPIs, and changes of the interrupt flag, yields the processor */

static __thread volatile bool irqs_on, held_back, halted;
static __thread volatile uint32_t in_service;
static __thread uint64_t random_state;
static __thread timer_t timer;
static __thread bool has_timer;

extern void __tsan_init(void) __attribute__((weak)); /* there is one under ThreadSanitizer */

static sigset_t irq_signals;
static trap_hook *nmi_hook;

static struct line {
	unsigned int vector;
	int signal;
	void (*entry)(void);           /* acknowledges and counts by itself */
	void (*_Atomic handler)(void); /* or is registered */
	bool (*_Atomic filter)(unsigned int vector);
} lines[] = {
	{ CALL_FUNCTION_SINGLE_VECTOR, SIGUSR1, on_call_function_single, NULL, NULL },
	{ CALL_FUNCTION_VECTOR, SIGUSR2, on_call_function, NULL, NULL },
	{ RESCHEDULE_VECTOR, SIGURG, on_reschedule, NULL, NULL },
	{ TLB_FLUSH_VECTOR, SIGWINCH, on_tlb_flush, NULL, NULL },
	{ IRQ_WORK_VECTOR, SIGIO, NULL, NULL, NULL },
	{ REBOOT_VECTOR, SIGPWR, NULL, NULL, NULL },
	{ EXAMPLE_VECTOR, SIGVTALRM, NULL, NULL, NULL },
	{ LOCAL_TIMER_VECTOR, SIGALRM, NULL, NULL, NULL },
};

#define LINES (sizeof(lines) / sizeof(lines[0]))

void interrupts_seed(uint64_t seed)
{
	random_state = seed;
}

uint64_t interrupts_random(uint64_t bound)
{
	return random_below(&random_state, bound);
}

void interrupts_jitter(void)
{
	if (!interrupts_random(JITTER))
		sched_yield();
}

/* A handler that comes between the two finds interrupts off, and leaves them so. */
void irq_disable(void)
{
	if (!irqs_on)
		return;
	interrupts_jitter();
	irqs_on = false;
	pthread_sigmask(SIG_BLOCK, &irq_signals, NULL);
	mmu_speculate();
}

void irq_enable(void)
{
	if (irqs_on)
		return;
	mmu_speculate();
	irqs_on = true;
	if (!held_back)
		pthread_sigmask(SIG_UNBLOCK, &irq_signals, NULL);
	interrupts_jitter();
}

void arch_hold_back_interrupts(bool hold)
{
	held_back = hold;
	if (irqs_on)
		pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &irq_signals, NULL);
}

int arch_pretend_busy(uint32_t looks)
{
	(void)looks;
	return -ENODEV;
}

unsigned long irq_flags(void)
{
	return irqs_on ? RFLAGS_IF : 0;
}

static struct line *line_of(unsigned int vector)
{
	for (size_t i = 0; i < LINES; i++) {
		if (lines[i].vector == vector)
			return &lines[i];
	}
	return NULL;
}

bool host_nmi_interrupts_handlers(void)
{
	return !__tsan_init;
}

int interrupts_signal(unsigned int vector)
{
	const struct line *line = line_of(vector);

	if (!line)
		host_fail("vector %#x is none that this machine has", vector);
	return line->signal;
}

int irq_register(unsigned int vector, void (*handler)(void))
{
	struct line *line = line_of(vector);

	if (!line || line->entry)
		return -EINVAL;
	if (handler && atomic_load_explicit(&line->handler, memory_order_relaxed))
		return -EBUSY;
	atomic_store_explicit(&line->handler, handler, memory_order_relaxed);
	return 0;
}

void arch_ipi_ack(void)
{
	in_service = 0;
}

int ipi_set_filter(unsigned int vector, bool (*filter)(unsigned int vector))
{
	struct line *line = line_of(vector);

	if (!line || !line->entry)
		return -EINVAL;
	atomic_store_explicit(&line->filter, filter, memory_order_relaxed);
	return 0;
}

static void run_entry(const struct line *line)
{
	bool (*filter)(unsigned int) = atomic_load_explicit(&line->filter, memory_order_relaxed);

	if (!filter || filter(line->vector))
		line->entry();
}

static void run(const struct line *line, const struct pt_regs *regs)
{
	void (*handler)(void) = atomic_load_explicit(&line->handler, memory_order_relaxed);
	const struct pt_regs *before = host_cpu->irq_regs;

	in_service = ipi_bit(line->vector);
	if (line->entry) {
		run_entry(line);
		return;
	}
	host_cpu->irq_count[line->vector]++;
	arch_ipi_ack();
	host_cpu->irq_regs = regs;
	if (!handler)
		host_fail("vector %#x has no handler", line->vector);
	handler();
	host_cpu->irq_regs = before;
}

/* No interrupt has an error code: its place tells whether the thread was halted. */
static struct pt_regs regs_of(const void *context)
{
	const ucontext_t *user = context;

	return (struct pt_regs){
		.rip = (uint64_t)user->uc_mcontext.gregs[REG_RIP],
		.rflags = irq_flags(),
		.error = halted,
	};
}

/* A handler begins with interrupts off; what was is restored from the registers at its end. */
static void enter(const struct pt_regs *regs)
{
	irqs_on = false;
	halted = false;
	host_cpu->arch.interrupts_while_running += !regs->error;
}

static void leave(const struct pt_regs *regs)
{
	irqs_on = !irqs_disabled_flags(regs->rflags);
	halted = regs->error;
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	struct pt_regs regs = regs_of(context);
	const struct line *line = lines;
	int error = errno;

	(void)info;
	while (line->signal != number)
		line++;
	enter(&regs);
	run(line, &regs);
	leave(&regs);
	errno = error;
}

/* As arch/x86_64/traps.c does it. */
static void on_nmi(int number, siginfo_t *info, void *context)
{
	struct pt_regs regs = regs_of(context);
	int error = errno;

	(void)number;
	(void)info;
	enter(&regs);
	preempt_count_add(NMI_OFFSET);
	if (!stop_on_nmi(&regs) && !look_on_nmi(&regs) && !(nmi_hook && nmi_hook(&regs)))
		host_fail("an NMI for no known reason");
	preempt_count_sub(NMI_OFFSET);
	leave(&regs);
	errno = error;
}

void interrupts_init(void)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	sigemptyset(&irq_signals);
	for (size_t i = 0; i < LINES; i++)
		sigaddset(&irq_signals, lines[i].signal);
	action.sa_mask = irq_signals;
	for (size_t i = 0; i < LINES; i++)
		sigaction(lines[i].signal, &action, NULL);
	action.sa_sigaction = on_nmi;
	sigaction(NMI_SIGNAL, &action, NULL);
	pthread_sigmask(SIG_BLOCK, &irq_signals, NULL);
}

void cpu_relax(void)
{
	sched_yield();
}

/* The kernel unblocks and sleeps in one step, as STI and HLT do. */
void cpu_halt_until_interrupt(void)
{
	sigset_t none;

	mmu_speculate();
	sigemptyset(&none);
	halted = true;
	irqs_on = true;
	sigsuspend(&none);
	irqs_on = false;
	halted = false;
}

void cpu_park(void)
{
	sigset_t all;

	sigfillset(&all);
	for (;;)
		sigsuspend(&all);
}

void arch_ipi_state(uint32_t *pending, uint32_t *service)
{
	sigset_t set;

	sigpending(&set);
	*pending = 0;
	for (size_t i = 0; i < LINES; i++) {
		if (sigismember(&set, lines[i].signal))
			*pending |= ipi_bit(lines[i].vector);
	}
	*service = in_service;
}

trap_hook *trap_set_hook(unsigned int vector, trap_hook *hook)
{
	trap_hook *before = nmi_hook;

	if (vector != TRAP_NMI)
		host_fail("exception %u is none that this machine has", vector);
	nmi_hook = hook;
	return before;
}

struct trap_place trap_place(const struct pt_regs *regs)
{
	return (struct trap_place){
		.rip = regs->rip,
		.irqs_off = irqs_disabled_flags(regs->rflags),
		.halted = regs->error,
	};
}

int arch_timer_oneshot(uint64_t ns)
{
	struct itimerspec when = { .it_value = { (time_t)(ns / 1000000000),
						 (long)(ns % 1000000000) } };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM };

	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (!has_timer && timer_create(CLOCK_MONOTONIC, &event, &timer))
		return -ENODEV;
	has_timer = true;
	when.it_value.tv_nsec += !ns;
	timer_settime(timer, 0, &when, NULL);
	return 0;
}

void arch_timer_stop(void)
{
	const struct itimerspec never = { 0 };

	if (has_timer)
		timer_settime(timer, 0, &never, NULL);
}

/*
 * Puts faults in. The draws are pseudo-random, one after the other for all CPUs: where
 * one host thread plays them all (icount), the same run draws the same.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/bootword.h>
#include <kernel/console/printk.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/fault.h>
#include <kernel/sched/work.h>
#include <lib/errno.h>
#include <lib/random.h>
#include <lib/string.h>

#define PERMILLE   1000
#define MAX_ASKED  8     /* faults in one word fault= */
#define BUSY_SPINS 50000 /* how long a send finds the ICR busy, in looks at it */

static const struct {
	const char *name;
	unsigned int vector;
} ipis[] = {
	{ "single", CALL_FUNCTION_SINGLE_VECTOR }, { "many", CALL_FUNCTION_VECTOR },
	{ "resched", RESCHEDULE_VECTOR },          { "tlb", TLB_FLUSH_VECTOR },
	{ "irq_work", IRQ_WORK_VECTOR },           { "reboot", REBOOT_VECTOR },
};
#define IPIS (sizeof(ipis) / sizeof(ipis[0]))

static _Atomic uint16_t rates[FAULT_IPI_KINDS][VECTORS];
static _Atomic uint64_t counts[FAULT_IPI_KINDS];
static _Atomic uint64_t draws;

/* One word for all CPUs: an atomic step gives each draw a number of its own. */
static bool draw(enum fault_kind kind, unsigned int vector)
{
	uint64_t rate = atomic_load_explicit(&rates[kind][vector], memory_order_relaxed);
	uint64_t state;

	if (!rate)
		return false;
	state = atomic_fetch_add_explicit(&draws, 1, memory_order_relaxed);
	if (random_below(&state, PERMILLE) >= rate)
		return false;
	atomic_fetch_add_explicit(&counts[kind], 1, memory_order_relaxed);
	return true;
}

static void be_late(void)
{
	uint64_t state = atomic_fetch_add_explicit(&draws, 1, memory_order_relaxed);

	udelay((unsigned int)random_below(&state, FAULT_DELAY_MAX_US) + 1);
}

/* Where an IPI arrives; whether it may go on to its handler. Interrupts off. */
IPI_PATH static bool let_through(unsigned int vector)
{
	if (draw(FAULT_DROP, vector)) {
		arch_ipi_ack();
		return false;
	}
	if (draw(FAULT_DELAY, vector))
		be_late();
	/* Before the handler: the copy is held back until this one is acknowledged. */
	if (draw(FAULT_DUP, vector))
		arch_send_ipi_self(vector);
	return true;
}

static bool any_rate(unsigned int vector)
{
	unsigned int sum = 0;

	for (unsigned int kind = 0; kind < FAULT_IPI_KINDS; kind++)
		sum += atomic_load_explicit(&rates[kind][vector], memory_order_relaxed);
	return sum;
}

int fault_set(enum fault_kind kind, unsigned int vector, unsigned int permille)
{
	if (kind >= FAULT_IPI_KINDS || vector >= VECTORS || permille > PERMILLE)
		return -EINVAL;
	atomic_store_explicit(&rates[kind][vector], (uint16_t)permille, memory_order_relaxed);
	return ipi_set_filter(vector, any_rate(vector) ? let_through : NULL);
}

uint64_t fault_count(enum fault_kind kind)
{
	return atomic_load_explicit(&counts[kind], memory_order_relaxed);
}

static unsigned int duration_ms[MAX_CPUS];
static atomic_bool begun, ended;

static void wait_here(unsigned int ms)
{
	uint64_t start = cycles(), wanted = ns_to_cycles(ms * 1000000ull);

	while (cycles() - start < wanted && !atomic_load_explicit(&ended, memory_order_relaxed))
		cpu_relax();
}

void fault_end(void)
{
	atomic_store_explicit(&ended, true, memory_order_relaxed);
}

static void be_deaf(void *info)
{
	arch_hold_back_interrupts(true);
	atomic_store_explicit(&begun, true, memory_order_release);
	wait_here(*(unsigned int *)info);
	arch_hold_back_interrupts(false);
}

static void spin_irqs_off(void *info)
{
	irq_disable();
	atomic_store_explicit(&begun, true, memory_order_release);
	wait_here(*(unsigned int *)info);
	irq_enable();
}

static int start_on(unsigned int cpu, void (*func)(void *), unsigned int ms)
{
	int error;

	if (cpu >= nr_cpus || !cpu_online(cpu) || cpu == smp_processor_id())
		return -ENXIO;
	duration_ms[cpu] = ms;
	atomic_store_explicit(&begun, false, memory_order_relaxed);
	atomic_store_explicit(&ended, false, memory_order_relaxed);
	error = work_start(cpu, func, &duration_ms[cpu]);
	while (!error && work_busy(cpu) && !atomic_load_explicit(&begun, memory_order_acquire))
		cpu_relax();
	return error;
}

int fault_deaf(unsigned int cpu, unsigned int ms)
{
	return start_on(cpu, be_deaf, ms);
}

int fault_spin(unsigned int cpu, unsigned int ms)
{
	return start_on(cpu, spin_irqs_off, ms);
}

int fault_busy(void)
{
	return arch_pretend_busy(BUSY_SPINS);
}

/* Those of CPUs, behind those of IPIs. */
enum { FAULT_LATE = FAULT_IPI_KINDS, FAULT_DEAF, FAULT_SPIN, FAULT_BUSY, FAULT_KINDS };

static const char *const kinds[FAULT_KINDS] = {
	[FAULT_DROP] = "drop", [FAULT_DELAY] = "delay", [FAULT_DUP] = "dup",
	[FAULT_LATE] = "late", [FAULT_DEAF] = "deaf",   [FAULT_SPIN] = "spin",
	[FAULT_BUSY] = "busy",
};

/* What fault= asked for. */
static struct asked {
	unsigned int kind;
	unsigned int where, amount; /* an IPI's vector or a CPU; a rate or milliseconds */
} asked[MAX_ASKED];
static unsigned int asked_count;

/* Copies up to a separator or the end; returns what follows it, NULL if too long. */
static const char *next_field(const char *text, char *field, size_t size)
{
	size_t length = 0;

	while (text[length] && text[length] != ':' && text[length] != ',')
		length++;
	if (length >= size)
		return NULL;
	memcpy(field, text, length);
	field[length] = '\0';
	return text + length;
}

static bool read_small_number(const char *text, unsigned int *number)
{
	*number = 0;
	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || *number > 100000)
			return false;
		*number = *number * 10 + (unsigned int)(*text - '0');
	}
	return true;
}

static bool read_where(unsigned int kind, const char *text, unsigned int *where)
{
	if (kind >= FAULT_IPI_KINDS)
		return read_small_number(text, where) && *where < MAX_CPUS;
	for (unsigned int i = 0; i < IPIS; i++) {
		*where = ipis[i].vector;
		if (!strcmp(text, ipis[i].name))
			return true;
	}
	return false;
}

/* FAULT_KINDS for none. */
static unsigned int find_kind(const char *text)
{
	unsigned int kind = 0;

	while (kind < FAULT_KINDS && strcmp(text, kinds[kind]))
		kind++;
	return kind;
}

/* KIND:WHERE:AMOUNT; returns what follows, NULL if it is not that. */
static const char *parse_one(const char *text, struct asked *to)
{
	char field[16];

	text = next_field(text, field, sizeof(field));
	to->kind = text ? find_kind(field) : FAULT_KINDS;
	if (to->kind == FAULT_KINDS || *text++ != ':')
		return NULL;
	text = next_field(text, field, sizeof(field));
	if (!text || !read_where(to->kind, field, &to->where) || *text++ != ':')
		return NULL;
	text = next_field(text, field, sizeof(field));
	return text && read_small_number(field, &to->amount) ? text : NULL;
}

static bool parse_faults(const struct boot_word *word, const char *value)
{
	(void)word;
	asked_count = 0;
	while (asked_count < MAX_ASKED) {
		value = parse_one(value, &asked[asked_count]);
		if (!value)
			return false;
		asked_count++;
		if (!*value)
			return true;
		if (*value++ != ',')
			return false;
	}
	return false;
}
BOOT_WORD_DEFINE(fault, .help = "faults on purpose, e.g. drop:single:10 (kernel/smp/fault.h)",
		 .parse = parse_faults);

void fault_ap_start(unsigned int cpu)
{
	for (unsigned int i = 0; i < asked_count; i++) {
		if (asked[i].kind == FAULT_LATE && asked[i].where == cpu)
			wait_here(asked[i].amount);
	}
}

static int start_one(const struct asked *fault)
{
	switch (fault->kind) {
	case FAULT_LATE:
		return 0;
	case FAULT_DEAF:
		return fault_deaf(fault->where, fault->amount);
	case FAULT_SPIN:
		return fault_spin(fault->where, fault->amount);
	case FAULT_BUSY:
		return arch_pretend_busy(fault->amount);
	default:
		return fault_set(fault->kind, fault->where, fault->amount);
	}
}

void fault_start(void)
{
	for (unsigned int i = 0; i < asked_count; i++) {
		int error = start_one(&asked[i]);

		printk("# fault: %s %#x %u%s\n", kinds[asked[i].kind], asked[i].where,
		       asked[i].amount, error ? " cannot be put in" : "");
	}
}

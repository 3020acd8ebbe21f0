/*
 * What each CPU does in the torture, and the balance at the end. The seed decides what a CPU does
 * in which order; how the CPUs' doings mix is up to the host.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/fault.h>
#include <kernel/smp/queue.h>
#include <kernel/smp/reschedule.h>
#include <kernel/sched/work.h>
#include <lib/random.h>
#include <tests/host/smp/descriptors.h>
#include <tests/host/smp/record.h>
#include <tests/host/smp/request.h>
#include <tests/host/smp/torture.h>
#include <tests/host/smp/works.h>

#define DEPTH       2
#define CHECK_CLOCK 64 /* calls */

static struct plan {
	uint64_t calls_each;
	uint64_t end_ns;
} plan;

/* Several calls without an interrupt in between; now and then more than the pool holds. */
static uint64_t with_interrupts_off(uint64_t *random)
{
	uint64_t count = 1 + random_below(random, random_below(random, 64) ? 6 : 300);

	irq_disable();
	for (uint64_t i = 0; i < count; i++)
		request_make(random, DEPTH);
	irq_enable();
	return count;
}

/* Stops sending, until somebody interrupts it; CPU 0 does in the end. */
static void stop_for_a_while(void)
{
	if (!this_cpu->index)
		return;
	irq_disable();
	cpu_halt_until_interrupt();
	irq_enable();
}

static void hold_interrupts_off(uint64_t *random)
{
	irq_disable();
	spin((uint32_t)random_below(random, 20000));
	irq_enable();
}

static void reschedule(uint64_t *random)
{
	smp_send_reschedule((unsigned int)random_below(random, host_cpus));
}

static void kick(void)
{
	int error = kick_all_cpus_sync();

	if (error)
		host_fail("kick_all_cpus_sync: %d", error);
}

/* One thing of many; returns how many calls it was. */
static uint64_t act(uint64_t *random)
{
	uint64_t choice = random_below(random, 1024);

	if (choice < 128)
		return with_interrupts_off(random);
	if (choice < 256)
		chain_start(random);
	else if (choice < 384)
		pulse_send(random);
	else if (choice < 416)
		reschedule(random);
	else if (choice < 420)
		kick();
	else if (choice < 424)
		stop_for_a_while();
	else if (choice < 428)
		hold_interrupts_off(random);
	else if (choice < 460)
		work_send(random);
	else if (choice < 468)
		nmi_strike(random);
	else
		request_make(random, DEPTH);
	return 1;
}

static void send_and_receive(void *seed)
{
	uint64_t random = (uint64_t)(uintptr_t)seed + this_cpu->index, made = 0;

	while (made < plan.calls_each) {
		if (made % CHECK_CLOCK == 0 && plan.end_ns && clock_ns() > plan.end_ns)
			return;
		made += act(&random);
	}
}

static void start_the_others(uint64_t seed)
{
	for (unsigned int cpu = 1; cpu < host_cpus; cpu++) {
		if (work_start(cpu, send_and_receive, (void *)(uintptr_t)seed))
			host_fail("CPU %u takes no work", cpu);
	}
}

/* Who stopped for a while is woken, as long as somebody is at work. */
static void wait_for_the_others(void)
{
	for (unsigned int cpu = 1; cpu < host_cpus; cpu++) {
		while (work_busy(cpu)) {
			smp_send_reschedule(cpu);
			cpu_relax();
		}
	}
}

/*
 * Runs first: while a call is on its way or its function leads to others, more are promised at
 * any later time than have run.
 */
static bool calls_are_over(void)
{
	uint64_t runs = records_run();

	return chains_are_over() && records_promised() == runs;
}

static void kick_from(void *unused)
{
	(void)unused;
	kick();
}

/*
 * Pulses are in the queues yet, and surplus IPIs on their way. A waited call from everyone to
 * everyone comes after the pulses, and the second after the IPIs; it also orders what
 * everyone counted before what CPU 0 reads now.
 */
static void settle(void)
{
	while (!calls_are_over())
		cpu_relax();
	for (unsigned int cpu = 0; cpu < host_cpus; cpu++) {
		work_run(cpu, kick_from, NULL);
		work_run(cpu, kick_from, NULL);
	}
}

struct balance {
	uint64_t queued, run, cancelled, exhausted, sent, received, while_running;
};

static uint64_t of_both_vectors(const uint64_t *counters)
{
	return counters[CALL_FUNCTION_SINGLE_VECTOR] + counters[CALL_FUNCTION_VECTOR];
}

static void add_up(void *info)
{
	const struct cpu *cpu = this_cpu->self;
	struct balance *sum = info;

	sum->queued += cpu->calls_queued;
	sum->run += cpu->calls_run;
	sum->cancelled += cpu->calls_cancelled;
	sum->exhausted += cpu->csd_exhausted;
	sum->sent += of_both_vectors(cpu->ipi_sent);
	sum->received += of_both_vectors(cpu->irq_count);
	sum->while_running += cpu->arch.interrupts_while_running;
}

/* Each CPU tells its own; this one, which calls the others for that, last. */
static struct balance balance(void)
{
	struct balance sum = { 0 };

	for (unsigned int cpu = host_cpus; cpu-- > 0;)
		smp_call_function_single(cpu, add_up, &sum, true);
	return sum;
}

static void verify_cpu(const struct cpu *cpu)
{
	if (!llist_empty(&cpu->call_single_queue))
		host_fail("the queue of CPU %u is not empty at the end", cpu->index);
	for (unsigned int i = 0; i < cpu->csd_count; i++) {
		if (!csd_is_free(&cpu->csd_pool[i]))
			host_fail("descriptor %u of CPU %u is not free at the end", i, cpu->index);
	}
	for (unsigned int i = 0; i < nr_cpus; i++) {
		if (!csd_is_free(&cpu->csd_wait[i]))
			host_fail("CPU %u's descriptor for waiting for CPU %u is not free at the "
				  "end",
				  cpu->index, i);
	}
}

static void verify_balance(const struct balance *before, const struct balance *after,
			   const struct tally *tally)
{
	uint64_t doubled = fault_count(FAULT_DUP);

	if (after->queued != after->run + after->cancelled)
		host_fail("%lu calls were queued, %lu ran, %lu were cancelled", after->queued,
			  after->run, after->cancelled);
	if (after->received > after->sent + doubled)
		host_fail("%lu IPIs were sent, %lu received", after->sent, after->received);
	if (after->exhausted - before->exhausted != tally->exhausted)
		host_fail("%lu calls were refused for want of descriptors, %lu were counted",
			  tally->exhausted, after->exhausted - before->exhausted);
}

static void print(const struct balance *before, const struct balance *after,
		  const struct tally *tally, const struct descriptor_tally *own, uint64_t ns)
{
	uint64_t sent = after->sent - before->sent, received = after->received - before->received;
	uint64_t doubled = fault_count(FAULT_DUP), lost = fault_count(FAULT_DROP);

	host_say("%lu calls ran %lu times in %lu.%lu s; %lu of them inside functions or with "
		 "interrupts off",
		 tally->accepted + own->chains + own->links + own->pulses,
		 records_run() + own->pulses, ns / 1000000000, ns / 100000000 % 10, tally->nested);
	host_say("own descriptors: %lu armed, %lu armed again by their functions, %lu busy",
		 own->chains + own->pulses, own->links, own->busy);
	host_say("irq_work: %lu queued and run", works_verify());
	host_say("refused: %lu by the rules, %lu for want of descriptors; %lu not made",
		 tally->refused, tally->exhausted, tally->skipped);
	host_say("IPIs: %lu sent, %lu doubled, %lu lost, %lu merged; %lu interrupts found their CPU "
		 "running",
		 sent, doubled, lost, sent + doubled - lost - received,
		 after->while_running - before->while_running);
}

void torture(uint64_t calls, uint64_t seconds, uint64_t seed)
{
	struct balance before = balance(), after;
	struct descriptor_tally own;
	uint64_t start = clock_ns();
	struct tally tally;

	plan.calls_each = (calls + host_cpus - 1) / host_cpus;
	plan.end_ns = seconds ? start + seconds * 1000000000 : 0;
	descriptors_init();
	works_init();
	start_the_others(seed);
	send_and_receive((void *)(uintptr_t)seed);
	wait_for_the_others();
	settle();
	records_verify_all();
	works_end();
	own = descriptors_verify();
	for (unsigned int i = 0; i < host_cpus; i++)
		verify_cpu(cpus[i]);
	after = balance();
	tally = request_tally();
	verify_balance(&before, &after, &tally);
	print(&before, &after, &tally, &own, clock_ns() - start);
}

/*
 * A chain belongs to whoever arms it next: its CPU may start it again when the last link says
 * so. A pulse belongs to everybody: it is one descriptor for each target, and all CPUs send it,
 * from threads and handlers, so that the claims of several meet.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>
#include <lib/random.h>
#include <tests/host/smp/descriptors.h>
#include <tests/host/smp/record.h>

#define CHAINS    4 /* for each CPU */
#define MAX_LINKS 6

static struct chain {
	struct csd csd;
	struct record *record;
	uint32_t links_left;
	atomic_bool runs; /* from chain_start to the end of the last link */
} chains[HOST_CPUS][CHAINS];

static struct pulse {
	struct csd csd;
	unsigned int target;
	uint64_t arrived;
} __attribute__((aligned(CACHE_LINE))) pulses[HOST_CPUS];

/* By sender and target; written with interrupts off. */
static uint64_t pulses_sent[HOST_CPUS][HOST_CPUS];

static struct descriptor_tally tallies[HOST_CPUS];

/* Release: pairs with the acquire in chain_start. */
static void chain_end(struct chain *chain)
{
	atomic_store_explicit(&chain->runs, false, memory_order_release);
}

/*
 * Armed again from the function's first instruction on, to another CPU; then the chain is not ours
 * any more. To itself the call would run in place, before the one it follows.
 */
static void chain_link(struct chain *chain)
{
	unsigned int next = (this_cpu->index + 1) % host_cpus;
	struct record *record = NULL;
	int error;

	if (chain->links_left-- && next != this_cpu->index)
		record = record_open(STREAM_OFF, "armed again", 1ull << next);
	if (!record) {
		chain_end(chain);
		return;
	}
	tallies[this_cpu->index].links++;
	chain->record = record;
	error = smp_call_function_single_async(next, &chain->csd);
	if (error)
		host_fail("armed again on CPU %u for CPU %u: %d", this_cpu->index, next, error);
}

static void chain_run(void *info)
{
	struct chain *chain = info;
	struct record *record = chain->record;

	chain_link(chain);
	record_run(record);
}

void chain_start(uint64_t *random)
{
	unsigned int me = this_cpu->index, cpu = (unsigned int)random_below(random, nr_cpus);
	struct chain *chain = &chains[me][random_below(random, CHAINS)];
	uint32_t links = (uint32_t)random_below(random, MAX_LINKS + 1);
	int error;

	/* Acquire: pairs with the release in chain_end. */
	if (atomic_load_explicit(&chain->runs, memory_order_acquire))
		return;
	chain->csd.func = chain_run;
	chain->csd.info = chain;
	chain->links_left = links;
	chain->record = record_open(STREAM_ON, "smp_call_function_single_async",
				    cpu < host_cpus ? 1ull << cpu : 0);
	atomic_store_explicit(&chain->runs, true, memory_order_relaxed);
	error = smp_call_function_single_async(cpu, &chain->csd);
	if (error != (cpu < host_cpus ? 0 : -ENXIO))
		host_fail("an own descriptor to CPU %u: %d", cpu, error);
	if (error) {
		record_withdraw(chain->record);
		chain_end(chain);
		return;
	}
	irq_disable();
	tallies[me].chains++;
	irq_enable();
}

static void pulse_run(void *info)
{
	struct pulse *pulse = info;

	if (pulse->target != this_cpu->index || !irqs_disabled())
		host_fail("a pulse for CPU %u runs on CPU %u with interrupts %s", pulse->target,
			  this_cpu->index, irqs_disabled() ? "off" : "on");
	pulse->arrived++;
	host_alive();
}

void pulse_send(uint64_t *random)
{
	unsigned int me = this_cpu->index, cpu = (unsigned int)random_below(random, host_cpus);
	int error = smp_call_function_single_async(cpu, &pulses[cpu].csd);
	unsigned long flags = irq_save();

	if (error && (error != -EBUSY || cpu == me))
		host_fail("a pulse from CPU %u to CPU %u: %d", me, cpu, error);
	pulses_sent[me][cpu] += !error;
	tallies[me].pulses += !error;
	tallies[me].busy += error == -EBUSY;
	irq_restore(flags);
}

void descriptors_init(void)
{
	for (unsigned int cpu = 0; cpu < host_cpus; cpu++) {
		pulses[cpu].target = cpu;
		pulses[cpu].csd.func = pulse_run;
		pulses[cpu].csd.info = &pulses[cpu];
	}
}

bool chains_are_over(void)
{
	for (unsigned int i = 0; i < HOST_CPUS; i++) {
		for (unsigned int k = 0; k < CHAINS; k++) {
			if (atomic_load_explicit(&chains[i][k].runs, memory_order_acquire))
				return false;
		}
	}
	return true;
}

static void verify_free(const struct csd *csd, const char *what, unsigned int owner)
{
	if (atomic_load_explicit(&csd->state, memory_order_relaxed) != CSD_FREE)
		host_fail("%s of CPU %u is not free at the end", what, owner);
}

static void verify_pulse(unsigned int target)
{
	uint64_t sent = 0;

	verify_free(&pulses[target].csd, "the pulse", target);
	for (unsigned int i = 0; i < host_cpus; i++)
		sent += pulses_sent[i][target];
	if (sent != pulses[target].arrived)
		host_fail("%lu pulses were sent to CPU %u, %lu arrived", sent, target,
			  pulses[target].arrived);
}

struct descriptor_tally descriptors_verify(void)
{
	struct descriptor_tally sum = { 0 };

	for (unsigned int i = 0; i < host_cpus; i++) {
		for (unsigned int k = 0; k < CHAINS; k++)
			verify_free(&chains[i][k].csd, "a chain", i);
		verify_pulse(i);
		sum.chains += tallies[i].chains;
		sum.links += tallies[i].links;
		sum.pulses += tallies[i].pulses;
		sum.busy += tallies[i].busy;
	}
	return sum;
}

/*
 * Random calls. What must come of each is worked out here from the rules in call.h alone.
 */
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/machine.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>
#include <lib/random.h>
#include <tests/host/smp/descriptors.h>
#include <tests/host/smp/record.h>
#include <tests/host/smp/request.h>
#include <tests/host/smp/works.h>

struct request {
	const struct kind *kind;
	unsigned int cpu;
	struct cpumask mask;
	uint64_t named; /* the mask's first word: there are no more CPUs than that */
	bool wait;
	smp_call_func_t func;
	uint32_t spins, depth; /* for the function */
	struct record *record;
};

/* A handler interrupts the thread at its own sum, so each has one. */
static struct tally tallies[HOST_CPUS][STREAMS];

static uint64_t online(void)
{
	return (1ull << host_cpus) - 1;
}

static uint64_t self(void)
{
	return 1ull << this_cpu->index;
}

/* Nobody, if it names the CPU that never came online or none at all. */
static uint64_t single_targets(const struct request *request)
{
	return request->cpu < host_cpus ? 1ull << request->cpu : 0;
}

static int single(const struct request *request)
{
	return smp_call_function_single(request->cpu, request->func, request->record,
					request->wait);
}

/* Of equally near ones the first. */
static uint64_t any_targets(const struct request *request)
{
	unsigned int nearest = host_cpus, me = this_cpu->index;

	for (unsigned int cpu = 0; cpu < host_cpus; cpu++) {
		if (request->named >> cpu & 1 &&
		    (nearest == host_cpus ||
		     arch_cpu_distance(me, cpu) < arch_cpu_distance(me, nearest)))
			nearest = cpu;
	}
	return nearest < host_cpus ? 1ull << nearest : 0;
}

static int any(const struct request *request)
{
	return smp_call_function_any(&request->mask, request->func, request->record, request->wait);
}

static uint64_t many_targets(const struct request *request)
{
	return request->named & online() & ~self();
}

static int many(const struct request *request)
{
	return smp_call_function_many(&request->mask, request->func, request->record,
				      request->wait);
}

static uint64_t others_targets(const struct request *request)
{
	(void)request;
	return online() & ~self();
}

static int others(const struct request *request)
{
	return smp_call_function(request->func, request->record, request->wait);
}

static uint64_t each_targets(const struct request *request)
{
	(void)request;
	return online();
}

static int each(const struct request *request)
{
	return on_each_cpu(request->func, request->record, request->wait);
}

static uint64_t each_named_targets(const struct request *request)
{
	return request->named & online();
}

static int each_named(const struct request *request)
{
	return on_each_cpu_mask(&request->mask, request->func, request->record, request->wait);
}

static bool differs_in_parity(unsigned int cpu)
{
	return (cpu ^ this_cpu->index) & 1;
}

static bool wanted(unsigned int cpu, void *info)
{
	const struct record *record = info;

	if (record->sender != this_cpu->index || cpu >= host_cpus)
		host_fail("a condition was asked for CPU %u on CPU %u", cpu, this_cpu->index);
	return differs_in_parity(cpu);
}

static uint64_t parity_targets(uint64_t candidates)
{
	for (unsigned int cpu = 0; cpu < host_cpus; cpu++) {
		if (!differs_in_parity(cpu))
			candidates &= ~(1ull << cpu);
	}
	return candidates & online();
}

static uint64_t each_wanted_targets(const struct request *request)
{
	(void)request;
	return parity_targets(online());
}

static int each_wanted(const struct request *request)
{
	return on_each_cpu_cond_mask(wanted, request->func, request->record, request->wait, NULL);
}

static uint64_t each_named_wanted_targets(const struct request *request)
{
	return parity_targets(request->named);
}

static int each_named_wanted(const struct request *request)
{
	return on_each_cpu_cond_mask(wanted, request->func, request->record, request->wait,
				     &request->mask);
}

static const struct kind {
	const char *name;
	uint64_t (*targets)(const struct request *request);
	int (*call)(const struct request *request);
	bool to_one;
	unsigned int weight;
} kinds[] = {
	{ "smp_call_function_single", single_targets, single, true, 40 },
	{ "smp_call_function_any", any_targets, any, true, 6 },
	{ "smp_call_function_many", many_targets, many, false, 4 },
	{ "smp_call_function", others_targets, others, false, 2 },
	{ "on_each_cpu", each_targets, each, false, 2 },
	{ "on_each_cpu_mask", each_named_targets, each_named, false, 3 },
	{ "on_each_cpu_cond_mask", each_wanted_targets, each_wanted, false, 2 },
	{ "on_each_cpu_cond_mask", each_named_wanted_targets, each_named_wanted, false, 2 },
};

#define WEIGHTS 61

static const struct kind *choose_kind(uint64_t *random)
{
	const struct kind *kind = kinds;
	unsigned int left = (unsigned int)random_below(random, WEIGHTS);

	for (; left >= kind->weight; kind++)
		left -= kind->weight;
	return kind;
}

/*
 * All that is left to chance, so that the same seed leads to the same calls whatever comes of
 * each. Sometimes a CPU that is offline or out of range, or no function at all.
 */
static void choose(struct request *request, uint64_t *random, uint32_t depth)
{
	request->kind = choose_kind(random);
	request->cpu = (unsigned int)random_below(random, random_below(random, 16) ? host_cpus :
										     nr_cpus + 2);
	request->named = random_next(random);
	if (random_below(random, 2))
		request->named |= online();
	request->mask = (struct cpumask){ 0 };
	cpumask_set_word(&request->mask, 0, request->named);
	request->wait = random_below(random, 2);
	request->func = random_below(random, 128) ? record_run : NULL;
	request->spins = random_below(random, 64) ? 0 : (uint32_t)random_below(random, 4000);
	request->depth = (uint32_t)random_below(random, depth + 1);
}

static int expected(const struct request *request, uint64_t targets, bool irqs_off)
{
	if (!request->func || (request->kind->call == single && request->cpu >= nr_cpus))
		return -EINVAL;
	if (request->kind->to_one && !targets)
		return -ENXIO;
	if (request->wait && irqs_off && targets & ~self())
		return -EDEADLK;
	return 0;
}

/* What a function does that leads to further calls. */
static void make_another(const struct record *from)
{
	uint64_t random = from->serial ^ this_cpu->index;
	uint64_t choice = random_below(&random, 8);

	if (choice < 4)
		request_make(&random, from->depth - 1);
	else if (choice == 4)
		pulse_send(&random);
	else if (choice == 5)
		work_send(&random);
}

/* Nobody but this CPU knows of the record if the call was refused. */
static void settle(const struct request *request, int error, int wanted_error, struct tally *tally)
{
	struct record *record = request->record;
	uint64_t others_named = record->targets & ~self();

	if (error == -EAGAIN && !wanted_error && !request->wait && others_named) {
		tally->exhausted++;
		record_withdraw(record);
	} else if (error != wanted_error) {
		host_fail("%s #%#lx of CPU %u to CPUs %#lx%s returned %d, expected %d",
			  record->what, record->serial, record->sender, record->targets,
			  request->wait ? ", waited," : "", error, wanted_error);
	} else if (error) {
		tally->refused++;
		record_withdraw(record);
	} else {
		tally->accepted++;
		if (request->wait || !others_named)
			record_verify(record);
	}
}

void request_make(uint64_t *random, uint32_t depth)
{
	bool irqs_off = irqs_disabled();
	enum stream stream = irqs_off ? STREAM_OFF : STREAM_ON;
	struct tally *tally = &tallies[this_cpu->index][stream];
	struct request request;
	uint64_t targets;
	int error;

	choose(&request, random, depth);
	targets = request.kind->targets(&request);
	request.record = record_open(stream, request.kind->name, targets);
	if (!request.record) {
		tally->skipped++;
		return;
	}
	request.record->spins = request.spins;
	request.record->depth = request.depth;
	request.record->then = request.depth ? make_another : NULL;
	error = request.kind->call(&request);
	if (irqs_disabled() != irqs_off)
		host_fail("%s left interrupts %s", request.kind->name, irqs_off ? "on" : "off");
	settle(&request, error, expected(&request, targets, irqs_off), tally);
}

struct tally request_tally(void)
{
	struct tally sum = { 0 };

	for (unsigned int i = 0; i < HOST_CPUS; i++) {
		for (unsigned int stream = 0; stream < STREAMS; stream++) {
			const struct tally *tally = &tallies[i][stream];

			sum.accepted += tally->accepted;
			sum.nested += stream == STREAM_OFF ? tally->accepted : 0;
			sum.refused += tally->refused;
			sum.exhausted += tally->exhausted;
			sum.skipped += tally->skipped;
		}
	}
	return sum;
}

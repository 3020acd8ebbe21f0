/*
 * Starting all CPUs at once, and what each of their calls took.
 */
#include "bench.h"
#include "contend.h"
#include <arch/time.h>
#include <kernel/sched/work.h>

uint64_t contend(void (*share)(void *unused))
{
	unsigned int online = cpumask_weight(&cpu_online_mask);
	uint64_t start;

	for_each_cpu(cpu, &cpu_online_mask)
		work_wait(cpu);
	start = cycles_ordered();
	for (unsigned int cpu = 1; cpu < online; cpu++)
		bench_must(work_start(cpu, share, NULL));
	share(NULL);
	for_each_cpu(cpu, &cpu_online_mask)
		work_wait(cpu);
	return (cycles_ordered() - start) / (online * CONTEND_CALLS);
}

/*
 * A thread that looks at the CPUs twice a second, so that a call that is lost, or everyone waiting
 * for everyone, ends the program with a report of who stands where.
 *
 * A CPU with something in its queue has been sent an IPI, which the kernel holds as a pending
 * signal until it is taken; or its sender is just about to send it. A queue that stays as it is
 * while nothing is pending was forgotten by its sender, or not emptied by its CPU.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/csd.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <tests/host/smp/host.h>
#include <time.h>

#define LOOKS_A_SECOND 2
#define FORGOTTEN      20 /* looks that find the same: threads may be many more than cores */

static struct {
	_Atomic(const char *) what;
	atomic_ulong number;
	atomic_ulong signs;
} __attribute__((aligned(CACHE_LINE))) life[HOST_CPUS];

static struct {
	const struct llist_node *first;
	unsigned long signs;
	unsigned int looks;
} seen[HOST_CPUS];

void host_doing(const char *what, uint64_t number)
{
	unsigned int me = this_cpu->index;

	atomic_store_explicit(&life[me].what, what, memory_order_relaxed);
	atomic_store_explicit(&life[me].number, number, memory_order_relaxed);
	host_alive();
}

void host_alive(void)
{
	atomic_fetch_add_explicit(&life[this_cpu->index].signs, 1, memory_order_relaxed);
}

static const char *name_of_doing(unsigned int cpu)
{
	const char *what = atomic_load_explicit(&life[cpu].what, memory_order_relaxed);

	return what ? what : "nothing yet";
}

/* For whom a CPU waits. A plain word of another CPU's: what is told here may be a moment old. */
static void __attribute__((no_sanitize_thread)) explain_waits(const struct cpu *cpu)
{
	for (unsigned int i = 0; i < nr_cpus; i++) {
		unsigned int state =
			atomic_load_explicit(&cpu->csd_wait[i].state, memory_order_relaxed);

		if (state != CSD_FREE)
			host_say("  CPU %u waits for CPU %u, where the call is %s", cpu->index,
				 cpu->csd_wait[i].dst, state == CSD_RUNNING ? "running" : "queued");
	}
}

static const char *describe_pending(unsigned int cpu)
{
	bool single = host_ipi_is_pending(cpu, CALL_FUNCTION_SINGLE_VECTOR);
	bool many = host_ipi_is_pending(cpu, CALL_FUNCTION_VECTOR);

	if (single && many)
		return "both CALL vectors are pending";
	return single ? "CALL_FUNCTION_SINGLE is pending" :
	       many   ? "CALL_FUNCTION is pending" :
			"no CALL vector is pending";
}

static void explain(void)
{
	for (unsigned int cpu = 0; cpu < host_cpus; cpu++) {
		host_say("CPU %u: %s #%#lx; its queue is %sempty, %s", cpu, name_of_doing(cpu),
			 atomic_load_explicit(&life[cpu].number, memory_order_relaxed),
			 llist_empty(&cpus[cpu]->call_single_queue) ? "" : "not ",
			 describe_pending(cpu));
		explain_waits(cpus[cpu]);
	}
}

/* Whether this look finds a CPU's queue just as the last one did, and nothing pending. */
static bool is_unchanged(unsigned int cpu)
{
	const struct llist_node *first =
		atomic_load_explicit(&cpus[cpu]->call_single_queue.first, memory_order_relaxed);
	unsigned long signs = atomic_load_explicit(&life[cpu].signs, memory_order_relaxed);
	bool same = first && first == seen[cpu].first && signs == seen[cpu].signs;

	seen[cpu].first = first;
	seen[cpu].signs = signs;
	return same && !host_ipi_is_pending(cpu, CALL_FUNCTION_SINGLE_VECTOR) &&
	       !host_ipi_is_pending(cpu, CALL_FUNCTION_VECTOR);
}

static void look_at_queue(unsigned int cpu)
{
	seen[cpu].looks = is_unchanged(cpu) ? seen[cpu].looks + 1 : 0;
	if (seen[cpu].looks < FORGOTTEN || host_stalls_are_expected())
		return;
	explain();
	host_fail("CPU %u has calls in its queue, and no IPI is on its way", cpu);
}

static unsigned long signs_of_life(void)
{
	unsigned long sum = 0;

	for (unsigned int i = 0; i < host_cpus; i++)
		sum += atomic_load_explicit(&life[i].signs, memory_order_relaxed);
	return sum;
}

static void *watch(void *limit)
{
	const struct timespec pause = { .tv_nsec = 1000000000 / LOOKS_A_SECOND };
	unsigned long signs = 0, silent = 0, now;

	while (silent < (uintptr_t)limit * LOOKS_A_SECOND) {
		nanosleep(&pause, NULL);
		for (unsigned int cpu = 0; cpu < host_cpus; cpu++)
			look_at_queue(cpu);
		now = signs_of_life();
		silent = now == signs ? silent + 1 : 0;
		signs = now;
	}
	explain();
	host_fail("nobody did anything for %lu s", (unsigned long)(uintptr_t)limit);
}

/* With all signals blocked: those for the whole program go to other threads. */
void host_watch(unsigned int seconds)
{
	sigset_t all, before;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, watch, (void *)(uintptr_t)seconds))
		host_fail("no thread to watch with");
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_detach(thread);
}

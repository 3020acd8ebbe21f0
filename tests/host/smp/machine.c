/*
 * A machine of threads: who its CPUs are, how they start, and how they send each other IPIs.
 */
#define _GNU_SOURCE
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/machine.h>
#include <arch/mm.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/tlb.h>
#include <kernel/sched/idle.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/fault.h>
#include <kernel/smp/irq_work.h>
#include <kernel/smp/stop.h>
#include <kernel/smp/watch.h>
#include <kernel/time/tick.h>
#include <lib/errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <tests/host/smp/host.h>
#include <tests/host/smp/interrupts.h>
#include <tests/host/smp/mmu.h>
#include <time.h>
#include <unistd.h>

__thread struct cpu *host_cpu;
unsigned int host_cpus;
bool apic_x2 = true; /* nothing of an xAPIC can be looked at, and nothing of it is used */
uint32_t xapic_icr_timeouts, xapic_busy_bits, xapic_pretended_looks;

#define HOST_TAGS 3 /* fewer than the spaces that a test may use at once */

static pthread_t threads[HOST_CPUS];
static pid_t thread_ids[HOST_CPUS]; /* the kernel's */
static pthread_barrier_t all_made;
static uint64_t random_seed;

static bool is_call(unsigned int vector)
{
	return vector == CALL_FUNCTION_SINGLE_VECTOR || vector == CALL_FUNCTION_VECTOR;
}

static void send(unsigned int cpu, int number)
{
	if (pthread_kill(threads[cpu], number))
		host_fail("CPU %u's thread takes no signals", cpu);
}

/* Callers have learnt that the CPU is online from something that acquires what it wrote before. */
void arch_send_ipi(unsigned long cpu, enum ipi_vector vector)
{
	if (cpu >= host_cpus || !cpu_online(cpu))
		host_fail("vector %#x was sent to CPU %lu, which is not online", vector, cpu);
	if (!irqs_disabled())
		host_fail("vector %#x was sent to CPU %lu with interrupts on", vector, cpu);
	if (is_call(vector) && !cpus[cpu]->arch.started)
		host_fail("CPU %lu was called before it started", cpu);
	interrupts_jitter();
	send(cpu, interrupts_signal(vector));
	interrupts_jitter();
}

void arch_send_ipi_self(enum ipi_vector vector)
{
	arch_send_ipi(this_cpu->index, vector);
}

unsigned int arch_send_ipi_mask(const struct cpumask *mask, enum ipi_vector vector)
{
	for_each_cpu(cpu, mask)
		arch_send_ipi(cpu, vector);
	return cpumask_weight(mask);
}

/* It hits all threads, so it is for when all are online. */
bool arch_has_shorthand(void)
{
	return cpumask_weight(&cpu_online_mask) == host_cpus && interrupts_random(2);
}

/* There is always one that is not: the one that never starts. */
void arch_all_online(bool all)
{
	(void)all;
}

void arch_send_ipi_shorthand(enum ipi_vector vector)
{
	for (unsigned int cpu = 0; cpu < host_cpus; cpu++) {
		if (cpu != this_cpu->index)
			arch_send_ipi(cpu, vector);
	}
}

void arch_send_nmi(unsigned int cpu)
{
	send(cpu, NMI_SIGNAL);
}

void arch_send_nmi_self(void)
{
	send(this_cpu->index, NMI_SIGNAL);
}

/* The kernel's word for the IRR is SigPnd. */
bool host_ipi_is_pending(unsigned int cpu, unsigned int vector)
{
	char name[64], line[256];
	uint64_t pending = 0;
	FILE *status;

	snprintf(name, sizeof(name), "/proc/self/task/%d/status", thread_ids[cpu]);
	status = fopen(name, "r");
	if (!status)
		return false;
	while (fgets(line, sizeof(line), status)) {
		if (sscanf(line, "SigPnd: %lx", &pending) == 1)
			break;
	}
	fclose(status);
	return pending >> (interrupts_signal(vector) - 1) & 1;
}

/* Packages of four CPUs with two cores of two threads each. */
unsigned int arch_cpu_distance(unsigned int a, unsigned int b)
{
	if (a == b)
		return 0;
	return a / 2 == b / 2 ? 1 : a / 4 == b / 4 ? 2 : 3;
}

bool arch_cpu_place(unsigned int cpu, struct cpu_place *place)
{
	*place = (struct cpu_place){
		.apic_id = cpu,
		.package = cpu / 4,
		.core = cpu / 2 % 2,
		.thread = cpu % 2,
		.state = cpu_online(cpu) ? "online" : "failed",
		.stage = "",
	};
	return cpu < nr_cpus;
}

uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t clock_ns_at(uint64_t cycles)
{
	return cycles;
}

void udelay(unsigned int us)
{
	uint64_t start = clock_ns();

	while (clock_ns() - start < us * 1000ull)
		cpu_relax();
}

/* The kernel copies, and says if it cannot. */
int probe_read(void *to, const void *from, size_t size)
{
	/* cppcheck-suppress ctuuninitvar */
	struct iovec here = { to, size }, there = { (void *)(uintptr_t)from, size };

	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

static void start_here(void)
{
	unsigned int me = this_cpu->index;

	interrupts_seed(random_seed + me);
	mmu_start_here();
	threads[me] = pthread_self();
	thread_ids[me] = (pid_t)syscall(SYS_gettid);
}

static void *play_cpu(void *cpu)
{
	host_cpu = cpu;
	start_here();
	pthread_barrier_wait(&all_made);
	host_cpu->arch.started = true;
	cpu_set_online(host_cpu->index, true);
	tlb_cpu_online();
	idle_loop();
}

static void nothing(void *unused)
{
	(void)unused;
}

/* Nothing but that it is online orders what it wrote before what its first caller reads. */
static void call_each(void)
{
	for (unsigned int cpu = 1; cpu < host_cpus; cpu++) {
		if (smp_call_function_single(cpu, nothing, NULL, true))
			host_fail("CPU %u is online and takes no call", cpu);
	}
}

static void start_others(void)
{
	pthread_attr_t detached;

	pthread_barrier_init(&all_made, NULL, host_cpus);
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	for (unsigned int i = 1; i < host_cpus; i++) {
		pthread_t thread;

		if (!cpu_create(i) || pthread_create(&thread, &detached, play_cpu, cpus[i]))
			host_fail("CPU %u cannot be made", i);
	}
	pthread_barrier_wait(&all_made);
	while (cpumask_weight(&cpu_online_mask) < host_cpus)
		sched_yield();
}

/* In the order of kernel/main.c. */
void host_start(unsigned int count, uint64_t seed)
{
	host_cpus = count;
	nr_cpus = count + 1;
	host_cpu = &boot_cpu;
	random_seed = seed;
	mmu_init(seed % 2 ? HOST_TAGS : 0);
	interrupts_init();
	start_here();
	boot_cpu.arch.started = true;
	cpu_start_boot_cpu();
	tick_init();
	irq_work_init();
	stop_init();
	irq_enable();
	start_others();
	call_each();
	watch_start();
	fault_start();
}

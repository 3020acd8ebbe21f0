/*
 * Threads: made, joined, pinned. The stack of one that was joined is kept for the next:
 * to unmap it would take a shootdown on all CPUs.
 */
#include <arch/cpu.h>
#include <arch/fpu.h>
#include <arch/irq.h>
#include <arch/mm.h>
#include <arch/switch.h>
#include <kernel/mm/frames.h>
#include <kernel/panic.h>
#include <kernel/sched/idle.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/thread.h>
#include <kernel/sched/wake.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/spinlock.h>
#include <lib/errno.h>
#include <lib/string.h>

static struct spinlock lock; /* of all that follows, and of the making of stacks */
static struct thread *free_threads;
static struct list all_threads;
static unsigned int count;
static uint32_t last_id;
static unsigned int last_cpu; /* that a thread without a CPU of its own began on */

unsigned int thread_count(void)
{
	return *(volatile unsigned int *)&count;
}

/* A new stack, with a struct thread on top. */
static struct thread *new_stack(void)
{
	char *top = arch_alloc_stack(KERNEL_STACK_SIZE);
	struct thread *thread;

	if (!top)
		return NULL;
	thread = (struct thread *)(top - sizeof(*thread));
	thread->stack_top = (uint64_t)top;
	return thread;
}

static struct thread *take_stack(void)
{
	unsigned long flags = spin_lock_irqsave(&lock);
	struct thread *thread = free_threads;

	if (thread)
		free_threads = thread->next;
	else
		thread = new_stack();
	if (thread)
		count++;
	spin_unlock_irqrestore(&lock, flags);
	return thread;
}

static void give_stack(struct thread *thread)
{
	unsigned long flags = spin_lock_irqsave(&lock);

	atomic_store_explicit(&thread->state, THREAD_FREE, memory_order_relaxed);
	thread->next = free_threads;
	free_threads = thread;
	count--;
	spin_unlock_irqrestore(&lock, flags);
}

/* Both at once: ids grow along the list. */
static void enlist(struct thread *thread)
{
	unsigned long flags = spin_lock_irqsave(&lock);

	thread->id = ++last_id;
	list_add_tail(&all_threads, &thread->all);
	spin_unlock_irqrestore(&lock, flags);
}

/* Those that may run anywhere begin on one CPU after the other. */
static unsigned int next_cpu(void)
{
	unsigned long flags = spin_lock_irqsave(&lock);
	unsigned int cpu = cpumask_next(&cpu_online_mask, last_cpu + 1);

	if (cpu >= MAX_CPUS)
		cpu = cpumask_next(&cpu_online_mask, 0);
	last_cpu = cpu;
	spin_unlock_irqrestore(&lock, flags);
	return cpu;
}

static void set_name(struct thread *thread, const char *name)
{
	size_t length = name ? strlen(name) : 0;

	if (length >= THREAD_NAME)
		length = THREAD_NAME - 1;
	memcpy(thread->name, name ? name : "", length);
	thread->name[length] = '\0';
}

/* In a frame of their own. */
static void *new_registers(void)
{
	uint64_t frame = frame_alloc();

	if (!frame)
		return NULL;
	arch_fpu_init(phys_to_virt(frame));
	return phys_to_virt(frame);
}

static void fill(struct thread *thread, const struct thread_args *args, unsigned int cpu)
{
	*thread = (struct thread){
		.func = args->func,
		.arg = args->arg,
		.priority = (uint8_t)(PRIORITY_FAIR + args->priority),
		.wanted_cpu = args->pinned ? cpu : ANY_CPU,
		.slice = 1,
		.special = thread->fpu ? THREAD_FPU : 0,
		.fpu = thread->fpu,
		.stack_top = thread->stack_top,
		.sp = arch_new_stack((uint64_t)thread, thread_begin),
	};
	set_name(thread, args->name);
	atomic_store_explicit(&thread->cpu, cpu, memory_order_relaxed);
	/* Release: who wakes it finds all of this. */
	atomic_store_explicit(&thread->state, THREAD_BLOCKED, memory_order_release);
}

int thread_create(struct thread **made, const struct thread_args *args)
{
	struct thread *thread;

	if (!made || !args || !args->func || args->priority > RT_PRIORITIES ||
	    (args->pinned && args->cpu >= nr_cpus))
		return -EINVAL;
	if (args->pinned && !cpu_online(args->cpu))
		return -ENXIO;
	thread = take_stack();
	if (!thread)
		return -ENOMEM;
	thread->fpu = args->fpu ? new_registers() : NULL;
	if (args->fpu && !thread->fpu) {
		give_stack(thread);
		return -ENOMEM;
	}
	fill(thread, args, args->pinned ? args->cpu : next_cpu());
	enlist(thread);
	*made = thread;
	return 0;
}

int thread_run(struct thread **thread, const struct thread_args *args)
{
	int error = thread_create(thread, args);

	if (!error)
		thread_wake(*thread);
	return error;
}

void thread_exit(int result)
{
	thread_end(result);
}

static void on_over(struct thread *thread)
{
	atomic_store_explicit(&thread->over, true, memory_order_release);
	complete_all(&thread->exited); /* from here on it may be joined and gone */
}

bool thread_is_over(const struct thread *thread)
{
	return atomic_load_explicit(&thread->over, memory_order_acquire);
}

static void release(struct thread *thread)
{
	unsigned long flags = spin_lock_irqsave(&lock);

	list_remove(&all_threads, &thread->all);
	spin_unlock_irqrestore(&lock, flags);
	if (thread->fpu)
		frame_free(virt_to_phys(thread->fpu));
	give_stack(thread);
}

int thread_join(struct thread *thread, int *result)
{
	if (!thread)
		return -EINVAL;
	if (thread == this_cpu->current || !caller_may_wait())
		return -EDEADLK;
	if (atomic_load_explicit(&thread->state, memory_order_relaxed) == THREAD_FREE)
		return -ESRCH;
	if (atomic_exchange_explicit(&thread->joined, true, memory_order_relaxed))
		return -EBUSY;
	wait_for_completion(&thread->exited);
	if (result)
		*result = thread->result;
	release(thread);
	return 0;
}

struct pin {
	struct thread *thread;
	unsigned int cpu;
	bool done;
};

/*
 * It runs, is in the run queue, blocks, or is about to be collected from the wake list:
 * then it is asked for again when that was done.
 */
static void set_going(struct pin *pin, struct thread *thread)
{
	/* Acquire and release: a waker sees that it moves, or we see that it is WOKEN. */
	uint32_t state = atomic_fetch_add_explicit(&thread->state, 0, memory_order_acq_rel);

	if (thread != this_cpu->current && runq_remove(&this_cpu->self->runq, thread)) {
		thread->on_runq = false;
		wake_elsewhere(thread);
	} else if (thread == this_cpu->current || state == THREAD_WOKEN) {
		pin->done = thread == this_cpu->current;
		set_need_resched();
		resched_self();
	}
}

/* On the CPU that the thread belongs to, if it still does. Interrupts off. */
static void pin_here(void *info)
{
	struct pin *pin = info;
	struct thread *thread = pin->thread;

	pin->done = atomic_load_explicit(&thread->cpu, memory_order_relaxed) == smp_processor_id();
	if (!pin->done)
		return;
	thread->wanted_cpu = pin->cpu;
	thread_set_special(thread, 0, THREAD_MOVES);
	if (pin->cpu == ANY_CPU || pin->cpu == smp_processor_id())
		return;
	thread_set_special(thread, THREAD_MOVES, 0);
	set_going(pin, thread);
}

static void pin_self(struct pin *pin)
{
	unsigned long flags = irq_save();

	pin_here(pin);
	wake_end(flags);
}

static int check_pin(const struct thread *thread, unsigned int cpu)
{
	uint32_t state;

	if (!thread || (cpu >= nr_cpus && cpu != ANY_CPU))
		return -EINVAL;
	if (cpu != ANY_CPU && !cpu_online(cpu))
		return -ENXIO;
	state = atomic_load_explicit(&thread->state, memory_order_relaxed);
	return state == THREAD_DEAD || state == THREAD_FREE ? -ESRCH : 0;
}

int thread_pin(struct thread *thread, unsigned int cpu)
{
	struct pin pin = { .thread = thread, .cpu = cpu };
	int error = check_pin(thread, cpu);

	if (!error && !caller_may_wait())
		error = -EDEADLK;
	while (!error && !pin.done) {
		if (thread == this_cpu->current)
			pin_self(&pin);
		else
			error = smp_call_function_single(atomic_load_explicit(&thread->cpu,
									      memory_order_relaxed),
							 pin_here, &pin, true);
	}
	return error;
}

void thread_visit(bool (*visit)(struct thread *thread, void *context), void *context)
{
	unsigned long flags = spin_lock_irqsave(&lock);

	for (struct list_node *node = all_threads.first; node; node = node->next) {
		if (!visit((struct thread *)((char *)node - offsetof(struct thread, all)), context))
			break;
	}
	spin_unlock_irqrestore(&lock, flags);
}

static int be_idle(void *unused)
{
	(void)unused;
	irq_disable();
	idle_loop();
}

/* The boot CPU came here as what is to be its first thread, so that it has no other for idling. */
void thread_init(void)
{
	const struct thread_args args = { .name = "idle", .func = be_idle, .pinned = true };
	struct thread *main = &boot_cpu.boot_thread;

	sched_init(on_over);
	idle_init();
	runq_init(&boot_cpu.runq);
	memcpy(main->name, "main", sizeof("main"));
	main->priority = PRIORITY_FAIR;
	main->on_runq = true;
	main->stack_top = boot_cpu.arch.tables.stack_top;
	boot_cpu.idle = new_stack();
	if (!boot_cpu.idle)
		panic("sched: no memory for the boot CPU's idle thread");
	fill(boot_cpu.idle, &args, 0);
	boot_cpu.idle->priority = PRIORITY_IDLE;
}

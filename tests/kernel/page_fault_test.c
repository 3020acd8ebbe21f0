/*
 * Page faults that nobody can serve: reported in words, whoever ran is ended, and all goes on.
 */
#include "capture.h"
#include "crew.h"
#include "mm.h"
#include "stuck.h"
#include "test.h"
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/tables.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/page_fault.h>
#include <kernel/smp/cpu.h>
#include <kernel/sched/preempt.h>
#include <kernel/sched/work.h>
#include <lib/errno.h>

static volatile unsigned int steps;

static void touch(uint64_t address, bool write)
{
	volatile uint64_t *word = (volatile uint64_t *)address;

	steps++;
	user_access_begin();
	if (write)
		*word = 1;
	else
		(void)*word;
	user_access_end();
	steps++;
}

static void read_it(void *info)
{
	touch(*(uint64_t *)info, false);
}

static void write_it(void *info)
{
	touch(*(uint64_t *)info, true);
}

/* As if it belonged to the kernel. */
static void read_without_opening(void *info)
{
	steps++;
	(void)**(volatile uint64_t **)info;
	steps++;
}

/* Ended at its first step, with a report that names the address and the reason. */
static void expect_end(void (*func)(void *), uint64_t address, const char *what, const char *why)
{
	capture_start();
	steps = 0;
	EXPECT_EQ(user_run(func, &address), -EFAULT);
	capture_end();
	EXPECT_EQ(steps, 1);
	EXPECT(!irqs_disabled());
	EXPECT(!this_cpu->current->user_run);
	EXPECT(capture_has(text("FAULT on CPU %u at %#lx", this_cpu->index, address), why, "#PF",
			   what, "rip"));
}

TEST(page_fault, who_cannot_be_served_is_ended)
{
	struct aspace *space = crew_begin();
	uint64_t address = TEST_BASE;

	REQUIRE(space);
	EXPECT_EQ(aspace_populate(space, TEST_BASE, PAGE_SIZE, 1, 0), 0);
	steps = 0;
	EXPECT_EQ(user_run(read_it, &address), 0);
	EXPECT_EQ(steps, 2);
	expect_end(write_it, TEST_BASE, "protection, write by kernel",
		   "no page there may be written");
	expect_end(read_it, TEST_BASE + GB, "not present, read by kernel", "no page is there");
	expect_end(write_it, 0x10, "not present, write by kernel", "no page there may be written");
	expect_end(read_it, USER_END, "not present, read by kernel",
		   "no user may have a page there");
	expect_end(write_it, LOWER_END - 8, "write by kernel", "no user may have a page there");
	if (arch_has_smap)
		expect_end(read_without_opening, TEST_BASE, "protection, read",
			   "the kernel has not opened the user's pages");
	crew_use(NULL);
	expect_end(read_it, TEST_BASE + GB, "read by kernel", "no address space is in use");
	/* Interrupts are as they were, and the next one is served. */
	aspace_use(space);
	EXPECT_EQ(user_run(read_it, &address), 0);
	crew_end(space);
}

#define ELSEWHERE (VMAP_START + (1ul << 40))

static trap_hook *first_fault;
static atomic_bool came_between;

/* It is let in as soon as the handler opens interrupts. */
static bool with_another_between(struct pt_regs *regs)
{
	trap_set_hook(TRAP_PF, first_fault);
	arch_send_ipi_self(EXAMPLE_VECTOR);
	return first_fault(regs);
}

static void fault_elsewhere(void)
{
	char byte;

	EXPECT_EQ(probe_read(&byte, (void *)ELSEWHERE, 1), -EFAULT);
	atomic_store(&came_between, true);
}

/* All that is printed speaks of the first one. */
TEST(page_fault, another_one_between_is_not_taken_for_it)
{
	struct aspace *space = crew_begin();
	uint64_t address = TEST_BASE + GB;

	REQUIRE(space && !irq_register(EXAMPLE_VECTOR, fault_elsewhere));
	atomic_store(&came_between, false);
	first_fault = trap_set_hook(TRAP_PF, with_another_between);
	capture_start();
	EXPECT_EQ(user_run(read_it, &address), -EFAULT);
	capture_end();
	irq_register(EXAMPLE_VECTOR, NULL);
	EXPECT(atomic_load(&came_between));
	EXPECT(capture_has(text("FAULT on CPU %u at %#lx", this_cpu->index, address),
			   text("read by kernel at %#lx", address), text("cr2 %016lx", address)));
	crew_end(space);
}

struct far_away {
	struct aspace *space;
	uint64_t address;
	int error;
};

static void run_there(void *info)
{
	struct far_away *far_away = info;

	aspace_use(far_away->space);
	far_away->error = user_run(read_it, &far_away->address);
	aspace_use(NULL);
}

TEST(page_fault, on_another_cpu)
{
	struct far_away far_away = { .address = TEST_BASE + GB };

	if (lacks_cpus(2))
		return;
	far_away.space = crew_begin();
	REQUIRE(far_away.space);
	capture_start();
	EXPECT_EQ(work_run(other_cpu(1), run_there, &far_away), 0);
	capture_end();
	EXPECT_EQ(far_away.error, -EFAULT);
	EXPECT(capture_has(text("FAULT on CPU %u at %#lx", other_cpu(1), TEST_BASE + GB)));
	crew_end(far_away.space);
}

static trap_hook *on_fault;

/*
 * What the CPU would say if ring 3 had read there, told to the handler. Nothing runs in ring 3, so
 * only what it makes of it is seen.
 */
static void tell_of_users_fault(void *info)
{
	struct pt_regs *regs = info;
	uint64_t value;

	EXPECT_EQ(probe_read(&value, (void *)VMAP_START, sizeof(value)), -EFAULT); /* CR2 */
	irq_disable();     /* as in the handler: CR2 stays what it is */
	preempt_disable(); /* nobody would ever let it in again */
	EXPECT(!on_fault(regs));
	preempt_enable();
	regs->rflags &= ~RFLAGS_IF;
	EXPECT(!on_fault(regs));
	regs->rflags |= RFLAGS_IF;
	EXPECT(on_fault(regs));
	regs->error = 0;
	EXPECT(!on_fault(regs));
	irq_enable();
}

TEST(page_fault, a_user_is_ended_by_the_kernels_half)
{
	struct pt_regs regs = { .vector = TRAP_PF,
				.error = 1u << 2, /* by a user */
				.rip = TEST_BASE,
				.cs = GDT_USER_CODE | 3,
				.rflags = RFLAGS_IF,
				.ss = GDT_USER_DATA | 3 };

	on_fault = trap_set_hook(TRAP_PF, NULL);
	trap_set_hook(TRAP_PF, on_fault);
	REQUIRE(on_fault);
	capture_start();
	EXPECT_EQ(user_run(tell_of_users_fault, &regs), 0);
	capture_end();
	EXPECT(capture_has(text("FAULT on CPU %u at %#lx", this_cpu->index, VMAP_START),
			   "no user may have a page there"));
	EXPECT_EQ((int)regs.rax, -EFAULT);
	EXPECT_EQ(regs.cs, GDT_KERNEL_CODE);
	EXPECT_EQ(regs.ss, GDT_KERNEL_DATA);
	EXPECT(!arch_page_info(regs.rip).user && arch_page_info(regs.rip).executable);
	EXPECT(arch_page_info(regs.rsp).writable);
}

/* Who expects a fault is told, and nobody is ended. */
TEST(page_fault, expected_ones_are_silent)
{
	struct aspace *space = crew_begin();
	char byte = 1;

	REQUIRE(space);
	capture_start();
	EXPECT_EQ(copy_from_user(&byte, TEST_BASE, 1), -EFAULT);
	EXPECT_EQ(copy_to_user(TEST_BASE, &byte, 1), -EFAULT);
	EXPECT_EQ(copy_from_user(&byte, USER_END - 1, 2), -EFAULT);
	EXPECT_EQ(copy_from_user(&byte, 0, 1), -EFAULT);
	EXPECT_EQ(copy_from_user(&byte, (uint64_t)&byte, 1), -EFAULT);
	EXPECT_EQ(copy_to_user(~0ul, &byte, 2), -EFAULT);
	EXPECT_EQ(get_user(&(uint64_t){ 0 }, USER_END - 4), -EFAULT);
	capture_end();
	EXPECT(!capture_find(NULL, "FAULT"));
	EXPECT_EQ(aspace_populate(space, TEST_BASE, PAGE_SIZE, 1, MAP_WRITE), 0);
	EXPECT_EQ(copy_to_user(TEST_BASE + 5, &byte, 1), 0);
	byte = 0;
	EXPECT_EQ(copy_from_user(&byte, TEST_BASE + 5, 1), 0);
	EXPECT_EQ(byte, 1);
	crew_end(space);
}

/* Readers and writers at work while pages are split, merged, and their protection changes. */
#define ROUNDS 4

struct traffic {
	struct aspace *space;
	_Atomic uint64_t base; /* of the 2 MB that they work in; 0: it is over */
	atomic_uint at_work, steps;
};

/* Each has a page of its own, in which it counts; nothing that it wrote may be lost. */
static void count_in_own_page(struct traffic *traffic, uint64_t base)
{
	uint64_t own = base + (this_cpu->index % 512) * PAGE_SIZE + 8, count = 0;

	while (atomic_load(&traffic->base) == base) {
		uint64_t value = ~0ul;

		EXPECT_EQ(get_user(&value, own), 0);
		EXPECT_EQ(value, count);
		EXPECT_EQ(put_user(++count, own), 0);
		EXPECT_EQ(get_user(&value, base + count % 512 * PAGE_SIZE), 0);
		EXPECT_EQ(value, count % 512);
		atomic_fetch_add(&traffic->steps, 1);
		cpu_relax(); /* where one host thread plays all CPUs, the next one's turn */
	}
}

static void read_and_write(void *info)
{
	struct traffic *traffic = info;
	uint64_t base;

	aspace_use(traffic->space);
	atomic_fetch_add(&traffic->at_work, 1);
	while ((base = atomic_load(&traffic->base)))
		count_in_own_page(traffic, base);
}

/* So many steps by whoever is at work. */
static void let_them_work(struct traffic *traffic)
{
	unsigned int until = atomic_load(&traffic->steps) + 10 * atomic_load(&traffic->at_work);

	EXPECT(WAIT_UNTIL((int)(atomic_load(&traffic->steps) - until) >= 0));
}

/* Those that nobody counts in, from which all read. */
static void change_protection(struct traffic *traffic)
{
	uint64_t start = TEST_BASE, length;

	for_each_cpu(cpu, &crew)
		start = TEST_BASE + (cpu % 512 + 1) * PAGE_SIZE;
	length = TEST_BASE + 2 * MB - start;
	EXPECT_EQ(aspace_protect(traffic->space, start, length, 0), 0);
	EXPECT_EQ(put_user(1, start + 16), -EFAULT);
	let_them_work(traffic);
	EXPECT_EQ(aspace_protect(traffic->space, start, length, MAP_WRITE), 0);
	EXPECT_EQ(put_user(1, start + 16), 0);
}

static void begin_traffic(struct traffic *traffic)
{
	traffic->space = crew_begin_few();
	EXPECT_EQ(aspace_populate(traffic->space, TEST_BASE, 2 * MB, 2, MAP_WRITE), 0);
	crew_fill(TEST_BASE, 512, 0);
	atomic_store(&traffic->base, TEST_BASE);
	for_each_cpu(cpu, &crew) {
		if (cpu != this_cpu->index)
			EXPECT_EQ(work_start(cpu, read_and_write, traffic), 0);
	}
	EXPECT(WAIT_UNTIL(atomic_load(&traffic->at_work) == cpumask_weight(&crew) - 1));
}

static void end_traffic(struct traffic *traffic)
{
	atomic_store(&traffic->base, 0);
	for_each_cpu(cpu, &crew)
		work_wait(cpu);
	crew_end(traffic->space);
}

TEST(page_fault, split_and_merge_under_traffic)
{
	struct traffic traffic = { 0 };

	if (lacks_cpus(2))
		return;
	begin_traffic(&traffic);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		EXPECT_EQ(aspace_split(traffic.space, TEST_BASE + round * PAGE_SIZE), 0);
		let_them_work(&traffic);
		change_protection(&traffic);
		EXPECT_EQ(aspace_merge(traffic.space, TEST_BASE), 0);
	}
	end_traffic(&traffic);
}

/* Pages that are not in a row, so that they are copied while others write to them. */
TEST(page_fault, merge_moves_pages_under_traffic)
{
	struct traffic traffic = { 0 };

	if (lacks_cpus(2))
		return;
	begin_traffic(&traffic);
	for (unsigned int round = 1; round < ROUNDS; round++) {
		uint64_t base = TEST_BASE + round * 2 * MB;

		EXPECT_EQ(aspace_populate(traffic.space, base, 2 * MB, 1, MAP_WRITE), 0);
		crew_fill(base, 512, 0);
		atomic_store(&traffic.base, base);
		let_them_work(&traffic);
		EXPECT_EQ(aspace_merge(traffic.space, base), 0);
		let_them_work(&traffic);
	}
	end_traffic(&traffic);
}

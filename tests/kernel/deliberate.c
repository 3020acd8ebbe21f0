/*
 * Runs that must end badly, each in its own way: the harness is tested with them.
 * They run only when test= names them.
 */
#include "test.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/machine.h>
#include <arch/mm.h>
#include <arch/time.h>
#include <arch/x86_64/cpus.h>
#include <boot/trampoline.h>
#include <kernel/console/console.h>
#include <kernel/console/printk.h>
#include <kernel/mm/frames.h>
#include <kernel/panic.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/stall.h>
#include <lib/errno.h>
#include <lib/string.h>

TEST(deliberate, failure)
{
	EXPECT_EQ(1 + 1, 3);
}

/* A complaint that the test did not ask for fails it. */
TEST(deliberate, warning)
{
	warn("asked for by the test deliberate.warning");
}

static atomic_bool stall_told;

static void note_stall(unsigned int cpu)
{
	(void)cpu;
	atomic_store(&stall_told, true);
}

static void spin_until_stall_is_told(void *unused)
{
	(void)unused;
	REQUIRE(WAIT_UNTIL(atomic_load(&stall_told)));
}

/* With stall_ms=1000: so does a report that somebody waits. */
TEST(deliberate, stall_of_more_than_a_second)
{
	stall_set_hook(note_stall);
	smp_call_function_single(nr_cpus - 1, spin_until_stall_is_told, NULL, true);
	stall_set_hook(NULL);
}

TEST(deliberate, panic)
{
	panic("asked for by the test deliberate.panic");
}

static void write_nowhere(const char *text, size_t length)
{
	volatile uintptr_t nowhere = 0x20;

	(void)text;
	if (length)
		*(volatile int *)nowhere = 1;
}

/* The other consoles must get all of it. */
TEST(deliberate, console_that_breaks)
{
	static struct console_device device = { .name = "serial" };

	console_add(&device);
	device.write = write_nowhere;
	printk("# to all consoles\n");
}

TEST(deliberate, page_fault)
{
	volatile uintptr_t nowhere = 0x10;

	*(volatile int *)nowhere = 1;
}

/* Runs into the guard page with no stack left: #DF on its own stack must report it. */
TEST(deliberate, stack_overflow)
{
	asm volatile("1: push %%rax; jmp 1b" : : : "memory");
}

TEST(deliberate, triple_fault)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = { 0, 0 };

	asm volatile("lidt %0; int3" : : "m"(none));
}

TEST(deliberate, hang)
{
	irq_disable();
	for (;;)
		cpu_relax();
}

static void never_run(void *unused)
{
	(void)unused;
	test_fail(__FILE__, __LINE__, "runs on CPU %u", this_cpu->index);
}

static bool state_is(unsigned int cpu, const char *state)
{
	struct cpu_place place;

	return arch_cpu_place(cpu, &place) && !strcmp(place.state, state);
}

/* With fault=late:2:N, N being more than the boot CPU waits for. */
TEST(deliberate, late_cpu_is_parked)
{
	REQUIRE(nr_cpus > 2);
	EXPECT(WAIT_UNTIL(state_is(2, "late, parked")));
	EXPECT(!cpu_online(2));
	EXPECT_EQ(smp_call_function_single(2, never_run, NULL, true), -ENXIO);
}

/* Another one that is late may yet need them: they belong to nobody else, and are as they were. */
TEST(deliberate, trampoline_stays_while_a_cpu_is_missing)
{
	const struct trampoline_args *args =
		phys_to_virt(trampoline + (uint64_t)(trampoline_args - trampoline_start));
	size_t code = (size_t)(trampoline_args - trampoline_start);

	REQUIRE(trampoline);
	EXPECT_EQ(frame_refs(trampoline), 1);
	EXPECT_EQ(frame_refs(trampoline + TRAMPOLINE_RECORDS), 1);
	EXPECT(!memcmp(phys_to_virt(trampoline), trampoline_start, code));
	EXPECT_EQ(args->records, nr_cpus - 1);
	EXPECT_EQ(frame_refs(args->cr3), 1);
}

/*
 * Memory order, call by call: one CPU sends a long stream and the other one only receives, so that
 * nothing but the call itself orders what they write. In a crowd an order that is missing between
 * two CPUs is soon made good by way of a third, and ThreadSanitizer sees no race.
 */
#include <arch/cpu.h>
#include <arch/time.h>
#include <kernel/smp/call.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/irq_work.h>
#include <lib/errno.h>
#include <stdatomic.h>
#include <tests/host/smp/host.h>
#include <tests/kernel/test.h>

#define STREAM 2000 /* calls; many times what the pool holds */

/* A letter for each call: nothing is written twice. Plain, but for the count at the end. */
static struct letter {
	uint64_t question;
	uint64_t answer[HOST_CPUS];
} letters[STREAM];
static atomic_uint answered;

static uint64_t answer_to(uint64_t question, unsigned int cpu)
{
	return question * 3 + cpu;
}

static void answer(void *info)
{
	struct letter *letter = info;

	letter->answer[this_cpu->index] = answer_to(letter->question, this_cpu->index);
	host_alive();
	/* Release: pairs with the acquire in wait_for_answers. */
	atomic_fetch_add_explicit(&answered, 1, memory_order_release);
}

static struct letter *write_letter(unsigned int number)
{
	struct letter *letter = &letters[number];

	*letter = (struct letter){ .question = number * 7 + 1 };
	return letter;
}

static bool is_answered(const struct letter *letter, unsigned int cpu)
{
	return letter->answer[cpu] == answer_to(letter->question, cpu);
}

static void wait_for_answers(unsigned int count)
{
	EXPECT(WAIT_UNTIL(atomic_load_explicit(&answered, memory_order_acquire) == count));
}

static void begin(void)
{
	atomic_store_explicit(&answered, 0, memory_order_relaxed);
}

static bool is_alone(void)
{
	if (host_cpus > 1)
		return false;
	test_skip("needs two CPUs");
	return true;
}

TEST(stream, waited)
{
	if (is_alone())
		return;
	begin();
	for (unsigned int i = 0; i < STREAM; i++) {
		struct letter *letter = write_letter(i);

		EXPECT_EQ(smp_call_function_single(1, answer, letter, true), 0);
		EXPECT(is_answered(letter, 1));
	}
}

/* Every descriptor of the pool is claimed again and again. */
TEST(stream, unwaited)
{
	if (is_alone())
		return;
	begin();
	for (unsigned int i = 0; i < STREAM;) {
		int error = smp_call_function_single(1, answer, write_letter(i), false);

		if (!error)
			i++;
		else
			EXPECT_EQ(error, -EAGAIN);
	}
	wait_for_answers(STREAM);
	for (unsigned int i = 0; i < STREAM; i++)
		EXPECT(is_answered(&letters[i], 1));
}

static uint64_t arrived; /* on CPU 1 */

static void count_arrival(void *info)
{
	(void)info;
	arrived++;
	host_alive();
}

static void read_arrived(void *info)
{
	*(uint64_t *)info = arrived;
}

/* The same descriptor, as soon as it is free. */
TEST(stream, own_descriptor)
{
	static struct csd csd;
	uint64_t before, after;
	unsigned int sent = 0;

	if (is_alone())
		return;
	csd.func = count_arrival;
	EXPECT_EQ(smp_call_function_single(1, read_arrived, &before, true), 0);
	while (sent < STREAM) {
		int error = smp_call_function_single_async(1, &csd);

		if (!error)
			sent++;
		else
			EXPECT_EQ(error, -EBUSY);
	}
	EXPECT_EQ(smp_call_function_single(1, read_arrived, &after, true), 0);
	EXPECT_EQ(after - before, STREAM);
}

TEST(stream, many_waited)
{
	if (is_alone())
		return;
	begin();
	for (unsigned int i = 0; i < STREAM; i++) {
		struct letter *letter = write_letter(i);

		EXPECT_EQ(smp_call_function(answer, letter, true), 0);
		for (unsigned int cpu = 1; cpu < host_cpus; cpu++)
			EXPECT(is_answered(letter, cpu));
	}
}

TEST(stream, many_unwaited)
{
	if (is_alone())
		return;
	begin();
	for (unsigned int i = 0; i < STREAM;) {
		int error = smp_call_function(answer, write_letter(i), false);

		if (!error)
			i++;
		else
			EXPECT_EQ(error, -EAGAIN);
	}
	wait_for_answers(STREAM * (host_cpus - 1));
	for (unsigned int i = 0; i < STREAM; i++) {
		for (unsigned int cpu = 1; cpu < host_cpus; cpu++)
			EXPECT(is_answered(&letters[i], cpu));
	}
}

static uint64_t question, reply; /* plain, by turns */

static void reply_to(struct irq_work *work)
{
	(void)work;
	reply = answer_to(question, this_cpu->index);
	host_alive();
}

TEST(stream, irq_work)
{
	static struct irq_work work = { .func = reply_to };

	if (is_alone())
		return;
	for (uint64_t i = 0; i < STREAM; i++) {
		question = i;
		EXPECT(irq_work_queue_on(&work, 1));
		while (irq_work_is_busy(&work))
			cpu_relax();
		EXPECT_EQ(reply, answer_to(i, 1));
	}
}

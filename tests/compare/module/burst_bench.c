/*
 * Sixty-four calls in a row to one CPU. As the recorded figures were taken, each function counts,
 * and the first and the last say when they began; in the rows .alike all but those two do nothing,
 * as in tests/bench/burst_bench.c. The sends are the same.
 */
#include "bench.h"
#include <linux/smp.h>

#define BURST 64

static call_single_data_t csds[BURST];
static u64 first, last;

static unsigned int ran;

static void count(void *unused)
{
	ran++;
	if (ran == 1)
		WRITE_ONCE(first, cycles_ordered());
	else if (ran == BURST)
		WRITE_ONCE(last, cycles_ordered());
}

static void nothing(void *unused) {}

static void stamp(void *info)
{
	WRITE_ONCE(*(u64 *)info, cycles_ordered());
}

static int prepare(void)
{
	for (unsigned int i = 0; i < BURST; i++)
		INIT_CSD(&csds[i], count, NULL);
	return 0;
}

static int prepare_alike(void)
{
	for (unsigned int i = 0; i < BURST; i++)
		INIT_CSD(&csds[i], nothing, NULL);
	INIT_CSD(&csds[0], stamp, &first);
	INIT_CSD(&csds[BURST - 1], stamp, &last);
	return 0;
}

struct burst {
	u64 start, sent, first, last;
};

static struct burst run_burst(void)
{
	struct burst burst;

	ran = 0;
	WRITE_ONCE(last, 0);
	burst.start = cycles_ordered();
	for (unsigned int i = 0; i < BURST; i++)
		smp_call_function_single_async(RECEIVER, &csds[i]);
	burst.sent = cycles_ordered();
	while (!(burst.last = READ_ONCE(last)))
		cpu_relax();
	burst.first = READ_ONCE(first);
	return burst;
}

static u64 burst_send(void)
{
	struct burst burst = run_burst();

	return burst.sent - burst.start;
}

static u64 burst_done(void)
{
	struct burst burst = run_burst();

	return burst.last - burst.start;
}

static u64 burst_drain(void)
{
	struct burst burst = run_burst();

	return burst.last - burst.first;
}

const struct bench burst_benches[] = {
	{ "call.burst64.send.busy", RECEIVER_SPINS, .sample = burst_send, .begin = prepare },
	{ "call.burst64.done.busy", RECEIVER_SPINS, .sample = burst_done, .begin = prepare },
	{ "call.burst64.drain.busy", RECEIVER_SPINS, .sample = burst_drain, .begin = prepare },
	{ "call.burst64.done.alike", RECEIVER_SPINS, .sample = burst_done, .begin = prepare_alike },
	{ "call.burst64.drain.alike", RECEIVER_SPINS, .sample = burst_drain,
	  .begin = prepare_alike },
	{},
};

/*
 * The TSC offset by Cristian's method: the other CPU reads its clock somewhere
 * inside a round trip, so half the shortest round trip bounds the error.
 */
#include <arch/time.h>
#include <kernel/report/tsc_offset.h>
#include <kernel/smp/call.h>

#define ROUNDS 16

static void read_clock(void *info)
{
	*(uint64_t *)info = cycles_ordered();
}

static int64_t signed_ns(int64_t count)
{
	return count < 0 ? -(int64_t)cycles_to_ns((uint64_t)-count) :
			   (int64_t)cycles_to_ns((uint64_t)count);
}

struct tsc_offset tsc_offset_measure(unsigned int cpu)
{
	uint64_t best = UINT64_MAX, there = 0;
	int64_t offset = 0;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t before = cycles_ordered(), trip;

		if (smp_call_function_single(cpu, read_clock, &there, true))
			break;
		trip = cycles_ordered() - before;
		if (trip >= best)
			continue;
		best = trip;
		offset = (int64_t)(there - before - trip / 2);
	}
	return (struct tsc_offset){ signed_ns(offset), cycles_to_ns(best / 2) };
}

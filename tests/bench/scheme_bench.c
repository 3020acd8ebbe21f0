/*
 * The schemes of calls side by side (tests/schemes), the kernel's among them, all called
 * in the same way. What queue costs here beyond call.* is the call through a pointer.
 */
#include "bench.h"
#include "contend.h"
#include <arch/cpu.h>
#include <kernel/smp/cpu.h>
#include <stdatomic.h>
#include <tests/schemes/scheme.h>

static void nothing(void *info)
{
	(void)info;
}

static uint64_t single_waited(const struct call_scheme *scheme)
{
	uint64_t start, ticks;

	call_scheme_use(scheme);
	start = cycles_ordered();
	scheme->single(RECEIVER, nothing, NULL, true);
	ticks = cycles_ordered() - start;
	call_scheme_use(NULL);
	return ticks;
}

static uint64_t many_waited(const struct call_scheme *scheme)
{
	uint64_t start, ticks;

	call_scheme_use(scheme);
	start = cycles_ordered();
	scheme->many(&cpu_online_mask, nothing, NULL, true);
	ticks = cycles_ordered() - start;
	call_scheme_use(NULL);
	return ticks;
}

static const struct call_scheme *contended;

static void call_others(void *unused)
{
	(void)unused;
	contend_call_others(contended->single);
}

/* As call.contend. */
static uint64_t all_at_once(const struct call_scheme *scheme)
{
	uint64_t ticks;

	call_scheme_use(scheme);
	contended = scheme;
	ticks = contend(call_others);
	call_scheme_use(NULL);
	return ticks;
}

static _Atomic uint64_t stamped;

static void stamp(void *unused)
{
	(void)unused;
	atomic_store_explicit(&stamped, cycles_ordered(), memory_order_release);
}

struct send {
	uint64_t start, sent, ran;
};

/* Nobody waits for the function; the schemes with one slot wait until it was taken out. */
static struct send send(const struct call_scheme *scheme)
{
	struct send send;

	call_scheme_use(scheme);
	send.start = cycles_ordered();
	scheme->single(RECEIVER, stamp, NULL, false);
	send.sent = cycles_ordered();
	while (!(send.ran = atomic_exchange_explicit(&stamped, 0, memory_order_acquire)))
		cpu_relax();
	call_scheme_use(NULL);
	return send;
}

static uint64_t send_cost(const struct call_scheme *scheme)
{
	struct send taken = send(scheme);

	return taken.sent - taken.start;
}

static uint64_t oneway(const struct call_scheme *scheme)
{
	struct send taken = send(scheme);

	return taken.ran - taken.start;
}

/* One sample of contend is an average of thousands of calls, and takes its time. */
#define SCHEME_BENCHES(scheme) \
	static uint64_t scheme##_single(void) \
	{ \
		return single_waited(&scheme##_scheme); \
	} \
	BENCH_FEW(scheme##_single, "scheme." #scheme ".wait.busy", 2, RECEIVER_SPINS, \
		  scheme##_single); \
	static uint64_t scheme##_many(void) \
	{ \
		return many_waited(&scheme##_scheme); \
	} \
	BENCH_FEW(scheme##_many, "scheme." #scheme ".many.wait.busy", 2, RECEIVERS_SPIN, \
		  scheme##_many); \
	static uint64_t scheme##_send(void) \
	{ \
		return send_cost(&scheme##_scheme); \
	} \
	BENCH_FEW(scheme##_send, "scheme." #scheme ".send.busy", 2, RECEIVER_SPINS, \
		  scheme##_send); \
	static uint64_t scheme##_oneway(void) \
	{ \
		return oneway(&scheme##_scheme); \
	} \
	BENCH_FEW(scheme##_oneway, "scheme." #scheme ".oneway.busy", 2, RECEIVER_SPINS, \
		  scheme##_oneway); \
	static uint64_t scheme##_contend(void) \
	{ \
		return all_at_once(&scheme##_scheme); \
	} \
	BENCH_SAMPLES(scheme##_contend, "scheme." #scheme ".contend", 2, RECEIVER_HALTED, \
		      scheme##_contend, 1)

SCHEME_BENCHES(queue);
SCHEME_BENCHES(message);
SCHEME_BENCHES(table);
SCHEME_BENCHES(mailbox);

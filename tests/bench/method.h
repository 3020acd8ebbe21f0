/*
 * How figures are taken, in Nudge and in the Linux beside it (tests/compare): how many samples,
 * what lies between two of them, and the line that tells the result. Macros alone, for a kernel
 * module and an ordinary program include it, too.
 */
#ifndef TESTS_BENCH_METHOD_H
#define TESTS_BENCH_METHOD_H

#define WARM_UPS          100
#define SAMPLES           2000
#define SAMPLES_MANY_CPUS 300 /* from so many CPUs on: */
#define MANY_CPUS         32

/* Ticks between two samples, in which CPU 0 spins. */
#define GAP_SPINNING 2000
#define GAP_HALTED   6000 /* if the receiver halts */

/* name, CPUs, samples, five quantiles in ticks, APIC mode, Hz: how the ticks and the last print. */
#define BENCH_LINE(ticks, hz) \
	"# bench {\"name\":\"%s\",\"unit\":\"tsc\",\"cpus\":%u,\"n\":%d,\"min\":%" ticks \
	",\"p50\":%" ticks ",\"p90\":%" ticks ",\"p99\":%" ticks ",\"max\":%" ticks \
	",\"apic\":\"%s\",\"tsc_hz\":%" hz "}\n"

#endif

/*
 * Ways to have other CPUs run a function, the kernel's own among them, behind one
 * interface: so that the same tests hold for all of them, and one benchmark compares
 * them. For tests and benchmarks only. The kernel calls its queue directly.
 *
 *   queue     the kernel's: a lock-free queue for each CPU, one IPI for all that is in it
 *   message   the same queue behind one vector for all kinds of IPIs: a word of bits for
 *             each CPU says which kind it is, as on POWER
 *   table     the classical one: a table for all, a lock, and counters of those that
 *             started and that finished; one call at a time
 *   mailbox   a lock and a slot, which is filled for one CPU after the other
 *
 * A new one is a file here, with a line in scheme.c.
 *
 * The contract is that of kernel/smp/call.h: each CPU that is named and online, once;
 * what is written before is seen; the same errors in the same order. It differs for
 * those that have one lock for all (anywhere is false): with interrupts off they refuse
 * every call but one to oneself, waited or not, with -EDEADLK, since the CPU that has
 * the lock may wait for this one, or be this one.
 *
 * The comparison is one of protocols, so all else is alike: the rivals' vector has a
 * short entry as the kernel's have, and they use the same shorthand and multicast. They
 * pay three instructions of entry that the kernel's vectors do not: their handler is
 * found through a pointer. The call by way of this structure is paid by all.
 */
#ifndef TESTS_SCHEMES_SCHEME_H
#define TESTS_SCHEMES_SCHEME_H

#include <kernel/smp/csd.h>
#include <lib/cpumask.h>
#include <stdbool.h>

struct turn;

struct call_scheme {
	const char *name;
	/* Runs func(info) on cpu. */
	int (*single)(unsigned long cpu, smp_call_func_t func, void *info, bool wait);
	/* On every online CPU in the mask but this one; NULL if the scheme has no such call. */
	int (*many)(const struct cpumask *mask, smp_call_func_t func, void *info, bool wait);
	bool anywhere;        /* unwaited calls may be made with interrupts off, and in functions */
	void (*on_ipi)(void); /* on the vector that is lent to it; NULL: it has its own */
	bool (*is_quiet)(void); /* when nobody calls: no IPI is on its way; NULL: it is always so */
	struct turn *turn;      /* its lock, if it has one */
};

extern const struct call_scheme queue_scheme, message_scheme, table_scheme, mailbox_scheme;

/* All of them, the kernel's first; NULL at the end. */
extern const struct call_scheme *const call_schemes[];

/*
 * Lends the vector to a scheme, and takes it back from the one before; NULL: to nobody.
 * A scheme may be called only while it has it. Nobody may be in a call. Boot CPU, thread
 * context. Returns 0, -EBUSY if somebody else has the vector.
 */
int call_scheme_use(const struct call_scheme *scheme);

/*
 * What can be sent to a CPU by message_scheme's vector; the first is what its calls use.
 * All that are sent before the CPU takes the interrupt come with that one.
 */
enum message { MESSAGE_CALL, MESSAGE_RESCHEDULE, MESSAGES };

/* Interrupts off. Release: what was written before is seen by whoever acts on it. */
void message_pass(unsigned int cpu, enum message message);

#endif

/*
 * Whom a call to many means, and the IPIs to them, for schemes that are not the
 * kernel's. named_send with interrupts off.
 */
#ifndef TESTS_SCHEMES_NAMED_H
#define TESTS_SCHEMES_NAMED_H

#include <arch/cpu.h>
#include <arch/ipi.h>
#include <kernel/smp/cpu.h>
#include <lib/cpumask.h>
#include <stdbool.h>

struct named {
	struct cpumask others; /* in the mask, online, and not this CPU */
	unsigned int count;
	bool all; /* every other online CPU is one */
};

static inline void named_find(struct named *named, const struct cpumask *mask)
{
	uint64_t left_out = 0;

	named->others = (struct cpumask){ 0 };
	named->count = 0;
	for (unsigned int i = 0; i < cpumask_words; i++) {
		uint64_t peers = this_cpu_acquire(peers.word[i]);
		uint64_t word = peers & cpumask_word(mask, i);

		left_out |= peers ^ word;
		cpumask_set_word(&named->others, i, word);
		for (; word; word &= word - 1)
			named->count++;
	}
	named->all = !left_out;
}

/* As the kernel's own calls do it: one write if all are meant, else as few as may be. */
static inline void named_send(const struct named *named)
{
	this_cpu->ipi_sent[EXAMPLE_VECTOR] += named->count;
	if (named->all && arch_has_shorthand())
		arch_send_ipi_shorthand(EXAMPLE_VECTOR);
	else
		arch_send_ipi_mask(&named->others, EXAMPLE_VECTOR);
}

static inline void named_send_one(unsigned long cpu)
{
	this_cpu->ipi_sent[EXAMPLE_VECTOR]++;
	arch_send_ipi(cpu, EXAMPLE_VECTOR);
}

#endif

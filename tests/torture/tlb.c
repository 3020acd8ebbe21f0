/*
 * Shootdowns as a mode of torture: each call of it makes some steps of the oracle for stale
 * translations (tests/kernel/stale.h), which is the same for all CPUs.
 */
#include "crowd.h"
#include "torture.h"
#include <kernel/console/printk.h>
#include <lib/random.h>
#include <tests/kernel/stacks.h>
#include <tests/kernel/stale.h>

#define STEPS 16 /* for each call */

static bool open;

static void broken(const char *text)
{
	torture_broken(RULE_TLB, NULL, "%s", text);
}

int torture_tlb_open(uint64_t seed)
{
	for_each_cpu(cpu, &torture_online) {
		torture_senders[cpu]->tlb_random = ~seed + cpu;
		torture_senders[cpu]->tlb_random = random_next(&torture_senders[cpu]->tlb_random);
	}
	open = true;
	make_work_stacks(); /* else they would be missing at the end */
	return stale_begin(broken);
}

void torture_tlb_steps(struct sender *sender, unsigned int cpu)
{
	(void)cpu;
	for (unsigned int i = 0; i < STEPS; i++)
		stale_step(&sender->tlb_random);
}

void torture_tlb_leave(void)
{
	if (open)
		stale_leave();
}

void torture_tlb_close(void)
{
	struct stale_counts counts = stale_counts();

	if (!open)
		return;
	stale_end(!crowd_size); /* its members make threads as they like */
	printk("# torture.tlb {\"looks\":%lu,\"writes\":%lu,\"changes\":%lu}\n", counts.looks,
	       counts.writes, counts.changes);
}

/*
 * Who changed tables makes sure that nobody uses what they said before.
 *
 * A CPU that begins to use the space puts itself into cpus, then looks at gen; the sender raises
 * gen, then looks at cpus; full barriers between. So at least one of them sees the other: the
 * CPU is interrupted, or it knows what it has missed.
 *
 * There is one copy of the sender for users' spaces on machines whose CPUs fit into one word of a
 * mask: there the sets stay in registers.
 */
#include <arch/cpu.h>
#include <arch/ipi.h>
#include <arch/irq.h>
#include <kernel/mm/flush.h>
#include <kernel/smp/cpu.h>

#define always_inline inline __attribute__((always_inline))

/* CPUs that are interrupted; only the words in use are filled in. */
struct targets {
	uint64_t word[CPUMASK_WORDS];
	bool any, all; /* is anybody one; is every other CPU that is online */
	bool self;     /* this CPU uses the space, too */
};

/* Sequentially consistent, as are the look at the users behind it and both accesses of who enters. */
static always_inline uint64_t announce(struct flush_line *line, uint64_t start, uint64_t pages,
				       bool tables)
{
	uint64_t gen = atomic_load_explicit(&line->gen, memory_order_relaxed) + 1;

	if (pages == FLUSH_ALL)
		gen++;
	line->start = start;
	line->pages = pages;
	if (__builtin_expect(tables, 0))
		atomic_store_explicit(&line->freed_gen, gen, memory_order_relaxed);
	atomic_exchange_explicit(&line->gen, gen, memory_order_seq_cst);
	return gen;
}

/* A CPU that was stopped for good is not online, and uses nothing any more. */
static always_inline void find_targets(struct targets *targets, const struct cpumask *users,
				       unsigned int words)
{
	unsigned int me = this_cpu->index;
	uint64_t any = 0, left_out = 0;

	for (unsigned int i = 0; i < words; i++) {
		uint64_t word = atomic_load_explicit(&users->word[i], memory_order_seq_cst);
		uint64_t others = cpumask_word(&cpu_online_mask, i);

		if (words == 1 || me / 64 == i) {
			targets->self = word >> me % 64 & 1;
			others &= ~(1ull << me % 64);
		}
		word &= others;
		left_out |= others ^ word;
		targets->word[i] = word;
		any |= word;
	}
	targets->any = any;
	targets->all = !left_out;
}

/* Those that idle on the space's tables. Acquire: who is seen to have left them walks others. */
static void __attribute__((noinline, cold))
add_idle(struct targets *targets, const struct aspace *aspace)
{
	for_each_cpu(cpu, &cpu_online_mask) {
		if (cpu == this_cpu->index ||
		    atomic_load_explicit(&cpus[cpu]->tlb.loaded, memory_order_acquire) != aspace)
			continue;
		targets->word[cpu / 64] |= 1ull << cpu % 64;
		targets->any = true;
	}
}

/* Mostly there is one target, or all are. */
static always_inline void count_sent(const struct targets *targets, unsigned int words)
{
	for (unsigned int i = 0; i < words; i++) {
		uint64_t word = targets->word[i];

		this_cpu->ipi_sent[TLB_FLUSH_VECTOR] +=
			word & (word - 1) ? cpumask_word_weight(word) : word != 0;
	}
}

static void __attribute__((noinline))
send_to_some(const struct targets *targets, unsigned int words)
{
	struct cpumask mask = { 0 };

	for (unsigned int i = 0; i < words; i++)
		cpumask_set_word(&mask, i, targets->word[i]);
	arch_send_ipi_mask(&mask, TLB_FLUSH_VECTOR);
}

static always_inline void send(const struct targets *targets, unsigned int words)
{
	count_sent(targets, words);
	/* One write may reach all others, but nobody else may be interrupted. */
	if (targets->all && arch_has_shorthand())
		arch_send_ipi_shorthand(TLB_FLUSH_VECTOR);
	else
		send_to_some(targets, words);
}

static always_inline _Atomic uint64_t *answer_of(struct cpu *cpu, bool kernel)
{
	return kernel ? &cpu->tlb.kernel_gen : &cpu->tlb.gen;
}

static always_inline void flush_own(uint64_t start, uint64_t pages, uint64_t gen, bool kernel)
{
	if (pages != FLUSH_ALL)
		flush_pages(start, pages);
	else if (kernel)
		mmu_flush_all();
	else
		mmu_flush_tag();
	flush_answer(answer_of(this_cpu->self, kernel), gen);
}

/* Out of the way: looks more closely, and reports when it takes long. */
static void __attribute__((noinline)) wait_more(const struct aspace *aspace, uint64_t start,
						uint64_t pages, bool tables, unsigned int cpu)
{
	const struct flush_line *line = &aspace->line;
	struct flush_wait wait = {
		.aspace = aspace,
		.func = aspace == &kernel_aspace ? (const void *)flush_kernel_range :
						   (const void *)flush_range,
		/* The space is locked: it is still this flush's. */
		.gen = atomic_load_explicit(&line->gen, memory_order_relaxed),
		.start = start,
		.pages = pages,
		.tables = tables,
	};

	flush_wait_for(&wait, cpu);
}

/* Acquire: pairs with the release in flush_answer. */
static always_inline bool has_answered(uint64_t cpu, uint64_t gen, bool kernel)
{
	return atomic_load_explicit(answer_of(cpus[cpu], kernel), memory_order_acquire) >= gen;
}

#define SPINS 16 /* before the wait looks more closely */

/* Whether it answered soon. Mostly the first that is waited for is waited for at all. */
static always_inline bool answers_soon(uint64_t cpu, uint64_t gen, bool kernel)
{
	for (unsigned int spins = 0; spins < SPINS; spins++) {
		cpu_relax();
		if (has_answered(cpu, gen, kernel))
			return true;
	}
	return false;
}

/* The targets flush while this CPU does. */
static always_inline void shoot(struct aspace *aspace, const struct cpumask *users, uint64_t start,
				uint64_t pages, bool tables, unsigned int words, bool kernel)
{
	struct targets targets;
	uint64_t gen;

	irq_disable();
	gen = announce(&aspace->line, start, pages, tables);
	find_targets(&targets, users, words);
	if (__builtin_expect(tables, 0))
		add_idle(&targets, aspace);
	if (targets.any)
		send(&targets, words);
	if (targets.self)
		flush_own(start, pages, gen, kernel);
	else if (tables)
		tlb_leave_freed_tables(&this_cpu->self->tlb);
	irq_enable();
	if (!targets.any)
		return;
	for (unsigned int i = 0; i < words; i++) {
		for (uint64_t left = targets.word[i]; left; left &= left - 1) {
			uint64_t cpu = i * 64 + (uint64_t)__builtin_ctzll(left);

			if (__builtin_expect(!has_answered(cpu, gen, kernel), 0) &&
			    !answers_soon(cpu, gen, kernel))
				wait_more(aspace, start, pages, tables, (unsigned int)cpu);
		}
	}
}

/* However many CPUs there are, whichever half it is. */
static void __attribute__((noinline)) shoot_any(struct aspace *aspace, const struct cpumask *users,
						uint64_t start, uint64_t pages, bool tables)
{
	shoot(aspace, users, start, pages, tables, (nr_cpus + 63) / 64, aspace == &kernel_aspace);
}

void flush_range(struct aspace *aspace, uint64_t start, uint64_t pages, bool tables)
{
	if (nr_cpus <= 64)
		shoot(aspace, &aspace->cpus, start, pages, tables, 1, false);
	else
		shoot_any(aspace, &aspace->cpus, start, pages, tables);
}

void flush_kernel_range(uint64_t start, uint64_t pages)
{
	shoot_any(&kernel_aspace, &cpu_online_mask, start, pages, false);
}

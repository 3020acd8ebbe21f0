/*
 * Draws a sender's calls. Only the seed, the CPU's number and the number of senders
 * go into it, never what became of earlier calls: the same seed gives the same
 * calls. What was drawn is summed up in a digest.
 */
#include "torture.h"
#include <arch/cpu.h>
#include <lib/random.h>
#include <lib/string.h>

#define DEEP_ONE_IN  16 /* of the calls that make one inside */
#define AGAIN_ONE_IN 4  /* of the calls with a descriptor of the caller's */
#define NULL_ONE_IN  4  /* of the strays */

static uint64_t draw(struct sender *sender, uint64_t bound)
{
	uint64_t value = random_below(&sender->random, bound);

	sender->digest = (sender->digest ^ value) * 0x100000001b3ull;
	return value;
}

static bool happens(struct sender *sender, enum chance chance)
{
	return draw(sender, CHANCE_UNIT) < torture_chance(chance);
}

static bool is_wide(const struct mode *mode)
{
	return mode->shape != SHAPE_ONE;
}

/* NULL if all weights are zero. */
static const struct mode *draw_mode(struct sender *sender, bool wide_too)
{
	uint64_t total = 0, chosen;

	for (unsigned int i = 0; i < MODES; i++) {
		if (wide_too || !is_wide(&torture_modes[i]))
			total += torture_mode_weight(i);
	}
	if (!total)
		return NULL;
	chosen = draw(sender, total);
	for (unsigned int i = 0;; i++) {
		if (!wide_too && is_wide(&torture_modes[i]))
			continue;
		if (chosen < torture_mode_weight(i))
			return &torture_modes[i];
		chosen -= torture_mode_weight(i);
	}
}

static unsigned int draw_online(struct sender *sender)
{
	return torture_online_cpus[draw(sender, torture_online_count)];
}

/* Somebody whom nobody can call. */
static unsigned int draw_nobody(struct sender *sender)
{
	switch (draw(sender, 4)) {
	case 0:
		return torture_offline < nr_cpus ? torture_offline : nr_cpus;
	case 1:
		return nr_cpus;
	case 2:
		return nr_cpus + (unsigned int)draw(sender, 2 * MAX_CPUS);
	default:
		return UINT32_MAX;
	}
}

static void draw_one(struct sender *sender, struct call *call, bool stray)
{
	call->target = draw_online(sender);
	if (!stray)
		return;
	if (draw(sender, NULL_ONE_IN))
		call->target = draw_nobody(sender);
	else
		call->function = NULL;
}

static void set_some(struct sender *sender, struct cpumask *mask)
{
	unsigned int some = 1 + (unsigned int)draw(sender, 3);

	while (some--)
		cpumask_set(mask, draw_online(sender));
}

/* All, about half, or a few. Strays: nobody, or also those whom nobody can call. */
static void draw_mask(struct sender *sender, struct call *call, bool stray)
{
	unsigned int kind = (unsigned int)draw(sender, 3);

	memset(call->mask, 0, sizeof(*call->mask));
	if (stray && !draw(sender, NULL_ONE_IN)) {
		call->function = NULL;
		return;
	}
	if (stray && !draw(sender, 2))
		return;
	if (kind == 2)
		set_some(sender, call->mask);
	for (unsigned int i = 0; kind < 2 && i < CPUMASK_WORDS; i++) {
		uint64_t word = kind ? draw(sender, UINT64_MAX) : ~0ull;

		if (!stray)
			word &= cpumask_word(&torture_online, i);
		cpumask_set_word(call->mask, i, word);
	}
}

static uint32_t draw_delay(struct sender *sender)
{
	if (!happens(sender, CHANCE_DELAY))
		return 0;
	return (uint32_t)(draw(sender, 4) ? draw(sender, 64000) : 1000 + draw(sender, 256000));
}

static void draw_call(struct sender *sender, struct call *call, const struct mode *mode)
{
	bool stray = happens(sender, CHANCE_STRAY) && !mode->silent && !mode->signal;

	call->mode = mode;
	call->function = torture_function;
	call->no_mask = mode->shape == SHAPE_COND && !draw(sender, 4);
	if (is_wide(mode))
		draw_mask(sender, call, stray);
	else
		draw_one(sender, call, stray);
	call->delay_ns = draw_delay(sender);
}

static void draw_inner(struct sender *sender, struct record *record)
{
	struct call *outer = &record->calls[OUTER], *inner = &record->calls[INNER];
	const struct mode *mode = draw_mode(sender, outer->wide);

	record->inner_on = is_wide(outer->mode) ? draw_online(sender) : outer->target;
	outer->deep = !draw(sender, DEEP_ONE_IN);
	if (!mode || mode->thread)
		return;
	draw_call(sender, inner, mode);
	inner->irqs_off = true;
	inner->by = (uint16_t)record->inner_on;
}

static void clear(struct record *record)
{
	uint32_t generation = atomic_load_explicit(&record->generation, memory_order_relaxed) + 1;

	atomic_store_explicit(&record->generation, generation, memory_order_relaxed);
	for (unsigned int i = 0; i < CALLS; i++) {
		struct call *call = &record->calls[i];

		*call = (struct call){ .record = record,
				       .mask = call->mask,
				       .entries = call->entries,
				       .wide = call->wide,
				       .inside = i == INNER,
				       .by = record->sender };
		memset(call->entries, 0, (call->wide ? nr_cpus : 1) * sizeof(struct entry));
		call->in = torture_in(torture_name(call));
	}
}

/* The oldest record of its kind, settled. */
static struct record *take_record(struct sender *sender, bool wide)
{
	unsigned int slot = wide ? RECORDS_ONE + sender->next_wide++ % RECORDS_WIDE :
				   sender->next_one++ % RECORDS_ONE;
	struct record *record = &sender->records[slot];

	torture_settle(record);
	clear(record);
	return record;
}

struct record *torture_draw(struct sender *sender, bool *pause)
{
	const struct mode *mode = draw_mode(sender, true);
	struct record *record = take_record(sender, is_wide(mode));
	struct call *outer = &record->calls[OUTER];

	draw_call(sender, outer, mode);
	outer->irqs_off = happens(sender, CHANCE_IRQS_OFF);
	if (happens(sender, CHANCE_INSIDE))
		draw_inner(sender, record);
	else
		outer->again = mode->own_csd && !draw(sender, AGAIN_ONE_IN);
	*pause = happens(sender, CHANCE_PAUSE);
	return record;
}

/*
 * The ways to call, and the boot word that says how often each is drawn:
 *
 *   modes=single_wait:5,many_wait     these two alone, five to one
 *   modes=kick:0,delay:512            all but one, and every second function takes long
 *   modes=crowd:500                   all, and 500 threads for each CPU
 *
 * A weight above zero takes away those that are left at their default. The default
 * weights give each CPU about as many calls to one as calls to all do.
 */
#include "torture.h"
#include <arch/cpu.h>
#include <kernel/bootword.h>
#include <kernel/smp/call.h>
#include <kernel/smp/reschedule.h>
#include <lib/string.h>

#define BY_DEFAULT UINT32_MAX
#define WEIGHT_MAX 1000000

static int reschedule(const struct call *call, void *name)
{
	(void)name;
	smp_send_reschedule(call->target);
	return 0;
}

static int irq_work(const struct call *call, void *name)
{
	(void)name;
	return torture_queue_work(torture_senders[call->by]);
}

static int nmi_work(const struct call *call, void *name)
{
	(void)name;
	return torture_send_nmi(torture_senders[call->by], call->target);
}

/* All of it is done before. */
static int tlb(const struct call *call, void *name)
{
	(void)call;
	(void)name;
	return 0;
}

static int single(const struct call *call, void *name)
{
	return smp_call_function_single(call->target, call->function, name, call->mode->wait);
}

static int async(const struct call *call, void *name)
{
	struct csd *csd = &call->record->csd;

	if (!call->function)
		return smp_call_function_single_async(call->target, NULL);
	csd->func = call->function;
	csd->info = name;
	return smp_call_function_single_async(call->target, csd);
}

static int any(const struct call *call, void *name)
{
	return smp_call_function_any(call->mask, call->function, name, call->mode->wait);
}

static int many(const struct call *call, void *name)
{
	return smp_call_function_many(call->mask, call->function, name, call->mode->wait);
}

static int mask(const struct call *call, void *name)
{
	return on_each_cpu_mask(call->mask, call->function, name, call->mode->wait);
}

/* It must be asked on the calling CPU, once for each; make.c looks at the counts. */
static bool condition(unsigned int cpu, void *name)
{
	struct call *call = torture_named(name);

	if (this_cpu->index != call->by || cpu >= nr_cpus)
		torture_broken(RULE_CONDITIONS, call, "asked on CPU %u about CPU %u",
			       this_cpu->index, cpu);
	else
		torture_entry(call, cpu)->asked++;
	return torture_wanted(name, cpu);
}

static int cond(const struct call *call, void *name)
{
	return on_each_cpu_cond_mask(condition, call->function, name, call->mode->wait,
				     call->no_mask ? NULL : call->mask);
}

static int all(const struct call *call, void *name)
{
	return smp_call_function(call->function, name, call->mode->wait);
}

static int each(const struct call *call, void *name)
{
	return on_each_cpu(call->function, name, call->mode->wait);
}

static int kick(const struct call *call, void *name)
{
	(void)call;
	(void)name;
	return kick_all_cpus_sync();
}

// clang-format off
const struct mode torture_modes[MODES] = {
	{ "resched", 2, 0, SHAPE_ONE, .make = reschedule, .signal = true,
	  .prepare = torture_watch_reschedule },
	{ "irq_work", 0, 2, SHAPE_ONE, .make = irq_work, .signal = true,
	  .prepare = torture_prepare_work, .thread = true },
	{ "nmi_work", 0, 2, SHAPE_ONE, .make = nmi_work, .signal = true },
	{ "single", 2, 0, SHAPE_ONE, .make = single, .pool = true },
	{ "single_reply", 2, 0, SHAPE_ONE, .make = single, .pool = true, .reply = true },
	{ "single_wait", 2, 0, SHAPE_ONE, .make = single, .wait = true },
	{ "async", 2, 0, SHAPE_ONE, .make = async, .own_csd = true },
	{ "any", 0, 2, SHAPE_ANY, .make = any, .pool = true },
	{ "any_wait", 0, 2, SHAPE_ANY, .make = any, .wait = true },
	{ "many", 0, 2, SHAPE_MASK, .make = many, .pool = true },
	{ "many_wait", 0, 2, SHAPE_MASK, .make = many, .wait = true },
	{ "mask", 0, 1, SHAPE_MASK, .make = mask, .self = true, .pool = true },
	{ "mask_wait", 0, 1, SHAPE_MASK, .make = mask, .self = true, .wait = true },
	{ "cond", 0, 1, SHAPE_COND, .make = cond, .self = true, .pool = true },
	{ "cond_wait", 0, 1, SHAPE_COND, .make = cond, .self = true, .wait = true },
	{ "all", 0, 1, SHAPE_ALL, .make = all, .pool = true },
	{ "all_wait", 0, 1, SHAPE_ALL, .make = all, .wait = true },
	{ "each", 0, 1, SHAPE_ALL, .make = each, .self = true, .pool = true },
	{ "each_wait", 0, 1, SHAPE_ALL, .make = each, .self = true, .wait = true },
	{ "kick", 0, 1, SHAPE_ALL, .make = kick, .wait = true, .silent = true },
	/* Only when it is named: most of its time goes into memory. */
	{ "tlb", 0, 0, SHAPE_ONE, .make = tlb, .signal = true, .prepare = torture_tlb_steps,
	  .thread = true },
};
// clang-format on

static const char *const chance_names[CHANCES] = {
	[CHANCE_IRQS_OFF] = "irqs_off", [CHANCE_INSIDE] = "inside", [CHANCE_DELAY] = "delay",
	[CHANCE_STRAY] = "stray",       [CHANCE_PAUSE] = "pause",   [CHANCE_OFFLINE] = "offline",
	[CHANCE_CROWD] = "crowd",
};

static uint32_t weights[MODES];
static bool weights_given, only_those;
static uint32_t chances[CHANCES] = {
	[CHANCE_IRQS_OFF] = 128, [CHANCE_INSIDE] = 128, [CHANCE_DELAY] = 4,
	[CHANCE_STRAY] = 32,     [CHANCE_PAUSE] = 2,
};

unsigned int torture_mode_weight(unsigned int mode)
{
	const struct mode *m = &torture_modes[mode];

	if (weights_given && weights[mode] != BY_DEFAULT)
		return weights[mode];
	return only_those ? 0 : m->per_cpu * torture_online_count + m->fixed;
}

unsigned int torture_chance(enum chance chance)
{
	return chances[chance];
}

bool torture_counts(const struct mode *mode)
{
	for (unsigned int i = 0; mode->signal && i < MODES; i++) {
		if (!torture_modes[i].signal && torture_mode_weight(i))
			return false;
	}
	return true;
}

static bool named(const char *name, const char *text, size_t length)
{
	return strlen(name) == length && !strncmp(name, text, length);
}

/* A mode that is only named has the weight 1, a chance that is only named is taken. */
static bool set_weight(const char *text, size_t length, uint32_t weight)
{
	for (unsigned int i = 0; i < MODES; i++) {
		if (!named(torture_modes[i].name, text, length))
			continue;
		weights[i] = weight == BY_DEFAULT ? 1 : weight;
		only_those |= weight > 0;
		return true;
	}
	for (unsigned int i = 0; i < CHANCES; i++) {
		if (!named(chance_names[i], text, length))
			continue;
		chances[i] = weight == BY_DEFAULT ? CHANCE_UNIT : weight;
		return chances[i] <= CHANCE_UNIT;
	}
	return false;
}

/* The digits at text; *end is behind them. BY_DEFAULT if it is no number, or too large. */
static uint32_t read_weight(const char *text, const char **end)
{
	const char *digit = text;
	uint32_t weight = 0;

	while (*digit >= '0' && *digit <= '9' && weight <= WEIGHT_MAX)
		weight = weight * 10 + (uint32_t)(*digit++ - '0');
	*end = digit;
	return digit == text || weight > WEIGHT_MAX ? BY_DEFAULT : weight;
}

/* name or name:weight, up to a comma; returns the rest, NULL if it is no good. */
static const char *parse_one(const char *text)
{
	uint32_t weight = BY_DEFAULT;
	const char *end;
	size_t length = 0;

	while (text[length] && text[length] != ',' && text[length] != ':')
		length++;
	end = text + length;
	if (*end == ':') {
		weight = read_weight(end + 1, &end);
		if (weight == BY_DEFAULT)
			return NULL;
	}
	return set_weight(text, length, weight) ? end : NULL;
}

/* Later words win as a whole. */
static bool parse_modes(const struct boot_word *word, const char *value)
{
	(void)word;
	for (unsigned int i = 0; i < MODES; i++)
		weights[i] = BY_DEFAULT;
	weights_given = true;
	only_those = false;
	do {
		value = parse_one(value);
		if (!value || (*value && *value != ','))
			return false;
	} while (*value++);
	return true;
}
BOOT_WORD_DEFINE(modes, .help = "torture: name:weight,… of modes, chances in 1024; docs name them",
		 .parse = parse_modes);

/*
 * The oracle for stale translations: what is looked at, and by whom.
 */
#include "stale.h"
#include "mm.h"
#include "poison.h"
#include <arch/cpu.h>
#include <arch/time.h>
#include <kernel/mm/frames.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>
#include <lib/random.h>
#include <lib/string.h>
#include <stdatomic.h>

#define USER_SLOTS   6
#define KERNEL_SLOTS 2
#define SLOTS        (STALE_SPACES * USER_SLOTS + KERNEL_SLOTS)
#define OWN_WORDS    500 /* of a page, one for each CPU's writes; CPUs beyond only look */

#define WATCH 100 /* pauses, at most */

static struct stale_slot slots[SLOTS];
static struct aspace *spaces[STALE_SPACES];
static uint64_t free_before, late_before;
static _Atomic uint32_t watched; /* the slot and page where somebody looks, or did last */
static _Atomic uint64_t looks, writes, changes;

/* Those of one table, one that has a table of its own, and two large pages. */
static const struct {
	unsigned int pages, level;
	uint64_t offset;
} shapes[USER_SLOTS] = {
	{ 1, 1, 0 },
	{ 3, 1, 8 * PAGE_SIZE },
	{ 0, 1, 64 * PAGE_SIZE }, /* as many as are flushed one by one, and one more */
	{ 0, 1, 256 * PAGE_SIZE },
	{ 2, 1, 3 * GB + 2 * MB - PAGE_SIZE },
	{ 1024, 2, GB },
};

#define KEEPER (TEST_BASE + 2 * MB - PAGE_SIZE) /* keeps that one table */

static unsigned int stamped_slot(uint64_t stamp)
{
	return stamp >> 48 & 0xff;
}

static uint64_t pack(struct stale_version version)
{
	uint64_t word;

	memcpy(&word, &version, sizeof(word));
	return word;
}

static void make_slots(void)
{
	unsigned int id = 0;

	memset(slots, 0, sizeof(slots));
	for (unsigned int space = 0; space < STALE_SPACES; space++) {
		for (unsigned int i = 0; i < USER_SLOTS; i++, id++) {
			unsigned int pages = shapes[i].pages;

			if (!pages)
				pages = (unsigned int)(tlb_full < 100 ? tlb_full : 100) + (i == 3);
			slots[id].id = id;
			slots[id].space = spaces[space];
			slots[id].base = TEST_BASE + shapes[i].offset;
			slots[id].pages = pages;
			slots[id].level = shapes[i].level;
		}
	}
	for (; id < SLOTS; id++) {
		slots[id].id = id;
		slots[id].kernel = true;
		slots[id].level = 1;
		slots[id].pages = 1 + 3 * (SLOTS - 1 - id);
	}
}

int stale_begin(void (*broken)(const char *text))
{
	stale_complain = broken;
	atomic_store(&looks, 0);
	atomic_store(&writes, 0);
	atomic_store(&changes, 0);
	frames_poison(true);
	free_before = frames_free();
	late_before = frames_late_writes();
	for (unsigned int i = 0; i < STALE_SPACES; i++) {
		spaces[i] = aspace_create();
		if (!spaces[i] || aspace_populate(spaces[i], KEEPER, PAGE_SIZE, 1, 0))
			return -ENOMEM;
	}
	make_slots();
	return 0;
}

/* Of what is there in the kernel's half nobody is told the address but by the slot. */
static uint64_t page_address(const struct stale_slot *slot, unsigned int page)
{
	return atomic_load_explicit(&slot->base, memory_order_relaxed) + page * PAGE_SIZE;
}

static int read_word(const struct stale_slot *slot, uint64_t address, uint64_t *value)
{
	return slot->kernel ? kernel_word(value, address) : get_user(value, address);
}

static bool is_steady(struct stale_version before, struct stale_version after)
{
	return before.count == after.count && !before.changing;
}

static void judge_steady(const struct stale_slot *slot, uint64_t address, unsigned int page,
			 struct stale_version version, int error, uint64_t seen)
{
	/* In the kernel's half another slot may be mapped there by now. */
	if (version.state == STALE_UNMAPPED && !error &&
	    (!slot->kernel || stamped_slot(seen) == slot->id))
		stale_broken(slot, address, version, "nothing is mapped, found %#lx", seen);
	if (version.state == STALE_UNMAPPED)
		return;
	if (error)
		stale_broken(slot, address, version, "a fault");
	else if (seen != stale_stamp(slot, version.number, page))
		stale_broken(slot, address, version, "found %#lx", seen);
}

/* Something happens meanwhile; but nothing of before may be seen. New pages are zero at first. */
static void judge_moving(const struct stale_slot *slot, uint64_t address, unsigned int page,
			 struct stale_version before, struct stale_version after, uint64_t seen)
{
	uint32_t number = (uint32_t)seen, oldest = before.number;

	if (!seen)
		return;
	if (before.state == STALE_UNMAPPED)
		oldest++;
	if (seen != stale_stamp(slot, number, page) || number < oldest ||
	    number > (uint32_t)after.number + 1)
		stale_broken(slot, address, before, "found %#lx, which was before", seen);
}

static void look(struct stale_slot *slot, unsigned int page)
{
	struct stale_version before = stale_version_at(slot, page), after;
	uint64_t seen = 0, address = page_address(slot, page);
	int error;

	if (slot->kernel && (address < VMAP_START || before.changing))
		return; /* there is none yet, or it may be another slot's by now */
	error = read_word(slot, address, &seen);
	after = stale_version_of(slot);
	if (is_steady(before, after))
		judge_steady(slot, address, page, before, error, seen);
	else if (!error && !slot->kernel)
		judge_moving(slot, address, page, before, after, seen);
	atomic_fetch_add_explicit(&looks, 1, memory_order_relaxed);
}

static bool may_write(const struct stale_slot *slot)
{
	return !slot->kernel && this_cpu->index < OWN_WORDS;
}

/* Into a word of this CPU's own, which nobody else changes. */
static void write(struct stale_slot *slot, unsigned int page, uint64_t value)
{
	uint64_t address = page_address(slot, page) + 8 + this_cpu->index * 8, seen;
	struct stale_version before = stale_version_at(slot, page);
	int error = put_user(value, address);
	bool steady = is_steady(before, stale_version_of(slot));

	if (steady && before.state != STALE_WRITABLE && !error)
		stale_broken(slot, address, before, "it was written");
	if (steady && before.state == STALE_WRITABLE && error)
		stale_broken(slot, address, before, "it cannot be written: %d", error);
	if (steady && !error && !get_user(&seen, address) &&
	    is_steady(before, stale_version_of(slot)) && seen != value)
		stale_broken(slot, address, before, "wrote %#lx, found %#lx", value, seen);
	atomic_fetch_add_explicit(&writes, 1, memory_order_relaxed);
}

static void publish(struct stale_slot *slot, struct stale_version version)
{
	/* Release: pairs with the acquire in stale_version_of. */
	atomic_store_explicit(&slot->version, pack(version), memory_order_release);
}

/* One at a time changes a slot; others look at it meanwhile. */
static void change(struct stale_slot *slot, uint64_t *random)
{
	struct stale_version version;

	if (atomic_exchange_explicit(&slot->taken, 1, memory_order_acquire))
		return;
	version = stale_version_of(slot);
	version.changing = true;
	version.count++;
	publish(slot, version);
	/* Whoever sees any of the change sees that it is under way. */
	atomic_thread_fence(memory_order_seq_cst);
	version = stale_change(slot, version, random);
	version.changing = false;
	version.count++;
	publish(slot, version);
	atomic_store_explicit(&slot->taken, 0, memory_order_release);
	atomic_fetch_add_explicit(&changes, 1, memory_order_relaxed);
}

static struct stale_slot *watched_slot(void)
{
	return &slots[atomic_load_explicit(&watched, memory_order_relaxed) >> 16];
}

static void set_watched(const struct stale_slot *slot, unsigned int page)
{
	atomic_store_explicit(&watched, slot->id << 16 | page, memory_order_relaxed);
}

/* A slot of the space in use, or of the kernel; NULL: none is in use. */
static struct stale_slot *draw_slot(uint64_t *random)
{
	unsigned int index = (unsigned int)random_below(random, USER_SLOTS + KERNEL_SLOTS);
	struct stale_slot *seen = watched_slot();

	if (seen->space && seen->space == aspace_current() && random_below(random, 2))
		return seen;
	if (index >= USER_SLOTS)
		return &slots[STALE_SPACES * USER_SLOTS + index - USER_SLOTS];
	for (unsigned int i = 0; i < STALE_SPACES; i++) {
		if (spaces[i] == aspace_current())
			return &slots[i * USER_SLOTS + index];
	}
	return NULL;
}

/* Often the one where another CPU looks. */
static unsigned int draw_page(const struct stale_slot *slot, uint64_t *random)
{
	unsigned int page = atomic_load_explicit(&watched, memory_order_relaxed) & 0xffff;

	return random_below(random, 2) ? page % slot->pages :
					 (unsigned int)random_below(random, slot->pages);
}

static void go_elsewhere(uint64_t *random)
{
	unsigned int index = (unsigned int)random_below(random, STALE_SPACES + 1);

	aspace_use(index < STALE_SPACES ? spaces[index] : NULL);
}

static bool has_changed(const struct stale_slot *slot, struct stale_version since)
{
	return stale_version_of(slot).count - since.count >= 2;
}

/* At one page without a break, so that what becomes of it is seen at once. Some write to it, too. */
static void watch(struct stale_slot *slot, unsigned int page, uint64_t *random)
{
	bool also_writes = random_below(random, 2) && may_write(slot);
	struct stale_version before = stale_version_of(slot);

	set_watched(slot, page);
	for (unsigned int i = 0; i < WATCH && !has_changed(slot, before); i++) {
		look(slot, page);
		if (also_writes)
			write(slot, page, i);
		cpu_relax();
	}
	look(slot, page);
}

/* Idle on the tables, as a thread that waits lets a CPU be; others may change what it remembers. */
static void be_away(struct stale_slot *slot, unsigned int page)
{
	struct stale_version before = stale_version_of(slot);
	struct aspace *space = aspace_current();

	set_watched(slot, page);
	look(slot, page);
	aspace_use(NULL);
	for (unsigned int i = 0; i < WATCH && !has_changed(slot, before); i++)
		cpu_relax();
	aspace_use(space);
	look(slot, page);
}

void stale_step(uint64_t *random)
{
	unsigned int what = (unsigned int)random_below(random, 100), page;
	struct stale_slot *slot = draw_slot(random);

	if (what < 4) {
		go_elsewhere(random);
		return;
	}
	/* A slot of a space that this CPU does not use may be changed as well. */
	if (what < 10) {
		change(random_below(random, 2) ? watched_slot() :
						 &slots[random_below(random, SLOTS)],
		       random);
		return;
	}
	if (!slot)
		return;
	page = draw_page(slot, random);
	if (what < 13 && !slot->kernel)
		be_away(slot, page);
	else if (what < 18)
		watch(slot, page, random);
	else if (what < 35 && may_write(slot))
		write(slot, page, random_next(random));
	else
		look(slot, page);
}

void stale_leave(void)
{
	aspace_use(NULL);
}

/* Whatever is there is taken away, until nothing is. */
static void empty_kernel_slots(void)
{
	uint64_t random = 1;

	for (unsigned int i = STALE_SPACES * USER_SLOTS; i < SLOTS; i++) {
		while (stale_version_of(&slots[i]).state != STALE_UNMAPPED)
			change(&slots[i], &random);
	}
}

void stale_end(bool alone)
{
	struct stale_version none = { 0 };
	uint64_t leaked;

	empty_kernel_slots();
	for (unsigned int i = 0; i < STALE_SPACES; i++) {
		int error = aspace_destroy(spaces[i]);

		if (error)
			stale_broken(&slots[0], 0, none, "a space cannot go: %d", error);
	}
	frames_poison(false);
	leaked = free_before - frames_free();
	if (alone && leaked > 4) /* tables of the kernel's window, which stay */
		stale_broken(&slots[0], 0, none, "%ld frames are gone", leaked);
	if (frames_late_writes() != late_before || poison_broken())
		stale_broken(&slots[0], 0, none, "free frames were written");
}

struct stale_counts stale_counts(void)
{
	return (struct stale_counts){ atomic_load(&looks), atomic_load(&writes),
				      atomic_load(&changes) };
}

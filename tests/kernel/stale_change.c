/*
 * Every way to change a space, as the oracle draws them. Each returns the version that holds when
 * it is over; what finds no memory changed nothing.
 */
#include "mm.h"
#include "stale.h"
#include <arch/cpu.h>
#include <kernel/mm/batch.h>
#include <kernel/mm/frames.h>
#include <kernel/mm/vmap.h>
#include <lib/errno.h>
#include <lib/random.h>

#define PAGES_MAX 128
#define SHARED    50 /* pauses for which a copy lives */

typedef struct stale_version change_function(struct stale_slot *slot, struct stale_version version,
					     uint64_t *random);

static uint64_t bytes(const struct stale_slot *slot)
{
	return slot->pages * PAGE_SIZE;
}

static enum map_flags flags_of(struct stale_version version)
{
	return version.state == STALE_WRITABLE ? MAP_WRITE : 0;
}

static void expect_done(const struct stale_slot *slot, struct stale_version version, int error)
{
	if (error)
		stale_broken(slot, slot->base, version, "a change failed: %d", error);
}

static struct stale_version next_use(struct stale_version version, uint64_t *random)
{
	version.number++;
	version.state = random_below(random, 4) ? STALE_WRITABLE : STALE_READ_ONLY;
	return version;
}

static void stamp_page(const struct stale_slot *slot, struct stale_version version,
		       unsigned int page, uint64_t phys)
{
	_Atomic uint64_t *word = phys_to_virt(phys);

	atomic_store_explicit(word, stale_stamp(slot, version.number, page), memory_order_relaxed);
}

/* Frames that are stamped before anybody can see them. They are the caller's; false: no memory. */
static bool make_frames(const struct stale_slot *slot, struct stale_version version,
			uint64_t *frames)
{
	for (unsigned int page = 0; page < slot->pages; page++) {
		frames[page] = frame_alloc();
		if (!frames[page]) {
			while (page)
				page_put(frames[--page], 1);
			return false;
		}
		stamp_page(slot, version, page, frames[page]);
	}
	return true;
}

static void put_frames(const struct stale_slot *slot, const uint64_t *frames)
{
	for (unsigned int page = 0; page < slot->pages; page++)
		page_put(frames[page], 1);
}

/* All its pages are in one state again. */
static struct stale_version now_all(struct stale_slot *slot, struct stale_version version,
				    enum stale_state state)
{
	stale_set_part(slot, (struct stale_part){ 0 });
	version.state = state;
	return version;
}

static enum stale_state other_way(struct stale_version version)
{
	return version.state == STALE_WRITABLE ? STALE_READ_ONLY : STALE_WRITABLE;
}

/* One frame after the other; the first that does not fit ends it, and what was mapped goes. */
static int map_frames(const struct stale_slot *slot, struct stale_version version,
		      const uint64_t *frames)
{
	for (unsigned int page = 0; page < slot->pages; page++) {
		int error = aspace_map(slot->space, slot->base + page * PAGE_SIZE, frames[page],
				       PAGE_SIZE, 1, flags_of(version));

		if (error && page)
			aspace_unmap(slot->space, slot->base, page * PAGE_SIZE);
		if (error)
			return error;
	}
	return 0;
}

static struct stale_version map_stamped(struct stale_slot *slot, struct stale_version version,
					uint64_t *random)
{
	struct stale_version after = next_use(version, random);
	uint64_t frames[PAGES_MAX];
	int error;

	if (!make_frames(slot, after, frames))
		return version;
	error = map_frames(slot, after, frames);
	put_frames(slot, frames);
	if (error && error != -ENOMEM)
		expect_done(slot, version, error);
	return error ? version : after;
}

/* Zeroed memory, which others may see before it is stamped. */
static struct stale_version populate(struct stale_slot *slot, struct stale_version version,
				     uint64_t *random)
{
	struct stale_version after = next_use(version, random);
	unsigned int level = random_below(random, 4) ? slot->level : 1;
	int error = aspace_populate(slot->space, slot->base, bytes(slot), level, flags_of(after));

	if (error && error != -ENOMEM)
		expect_done(slot, version, error);
	if (error)
		return version;
	for (unsigned int page = 0; page < slot->pages; page++) {
		struct aspace_page found;

		error = aspace_walk(slot->space, slot->base + page * PAGE_SIZE, &found);
		expect_done(slot, after, error);
		if (!error)
			stamp_page(slot, after, page,
				   found.phys + (slot->base + page * PAGE_SIZE - found.virt));
	}
	return after;
}

static struct stale_version unmap(struct stale_slot *slot, struct stale_version version,
				  uint64_t *random)
{
	(void)random;
	expect_done(slot, version, aspace_unmap(slot->space, slot->base, bytes(slot)));
	return now_all(slot, version, STALE_UNMAPPED);
}

/* Page by page, from the last to the first, in one batch. A large page is split for it. */
static struct stale_version unmap_in_batch(struct stale_slot *slot, struct stale_version version,
					   uint64_t *random)
{
	unsigned int page = slot->pages;
	struct tlb_batch batch;
	int error = 0;

	(void)random;
	expect_done(slot, version, tlb_batch_begin(&batch, slot->space));
	while (page && !error)
		error = tlb_batch_unmap(&batch, slot->base + --page * PAGE_SIZE, PAGE_SIZE);
	tlb_batch_end(&batch);
	if (error == -ENOMEM && page == slot->pages - 1)
		return version;
	/* To the end of the large page that could not be cut, which takes no table. */
	if (error == -ENOMEM)
		error = aspace_unmap(slot->space, slot->base, (page + 1) * PAGE_SIZE);
	expect_done(slot, version, error);
	return now_all(slot, version, STALE_UNMAPPED);
}

/* Other frames at once where the old ones were. */
static struct stale_version replace(struct stale_slot *slot, struct stale_version version,
				    uint64_t *random)
{
	version = unmap(slot, version, random);
	return slot->pages > PAGES_MAX ? populate(slot, version, random) :
					 map_stamped(slot, version, random);
}

static struct stale_version protect(struct stale_slot *slot, struct stale_version version,
				    uint64_t *random)
{
	int error;

	(void)random;
	version.state = other_way(version);
	error = aspace_protect(slot->space, slot->base, bytes(slot), flags_of(version));
	expect_done(slot, version, error);
	return now_all(slot, version, version.state);
}

/* Some of the pages, never all: large ones are cut at its ends, and others look at both sides. */
static struct stale_part draw_part(const struct stale_slot *slot, uint64_t *random)
{
	unsigned int from = (unsigned int)random_below(random, slot->pages);
	unsigned int to = from + 1 + (unsigned int)random_below(random, slot->pages - from);

	if (!from && to == slot->pages)
		from++;
	return (struct stale_part){ (uint16_t)from, (uint16_t)to, 0 };
}

static uint64_t part_start(const struct stale_slot *slot, struct stale_part part)
{
	return slot->base + part.from * PAGE_SIZE;
}

static uint64_t part_bytes(struct stale_part part)
{
	return (uint64_t)(part.to - part.from) * PAGE_SIZE;
}

/* A slot that has no part yet gets one, if the change was made: until then all is as it was. */
static struct stale_version part_done(struct stale_slot *slot, struct stale_version version,
				      struct stale_part part, int error)
{
	if (!error)
		stale_set_part(slot, part);
	else if (error != -ENOMEM)
		expect_done(slot, version, error);
	return version;
}

static struct stale_version unmap_part(struct stale_slot *slot, struct stale_version version,
				       uint64_t *random)
{
	struct stale_part part = draw_part(slot, random);

	part.state = STALE_UNMAPPED;
	return part_done(slot, version, part,
			 aspace_unmap(slot->space, part_start(slot, part), part_bytes(part)));
}

static struct stale_version protect_part(struct stale_slot *slot, struct stale_version version,
					 uint64_t *random)
{
	struct stale_part part = draw_part(slot, random);
	struct stale_version changed = version;

	changed.state = other_way(version);
	part.state = changed.state;
	return part_done(slot, version, part,
			 aspace_protect(slot->space, part_start(slot, part), part_bytes(part),
					flags_of(changed)));
}

/* What is left on both sides of a part that was unmapped, in one batch. */
static struct stale_version unmap_rest(struct stale_slot *slot, struct stale_version version,
				       uint64_t *random)
{
	struct stale_part part = stale_part_of(slot), before = { 0, part.from, 0 };
	struct stale_part behind = { part.to, (uint16_t)slot->pages, 0 };
	struct tlb_batch batch;
	int error = 0;

	(void)random;
	expect_done(slot, version, tlb_batch_begin(&batch, slot->space));
	if (part_bytes(before))
		error = tlb_batch_unmap(&batch, slot->base, part_bytes(before));
	if (!error && part_bytes(behind))
		error = tlb_batch_unmap(&batch, part_start(slot, behind), part_bytes(behind));
	tlb_batch_end(&batch);
	expect_done(slot, version, error);
	return now_all(slot, version, STALE_UNMAPPED);
}

static void look_at_copy(const struct stale_slot *slot, struct stale_version version,
			 unsigned int page)
{
	uint64_t seen = 0, address = slot->base + page * PAGE_SIZE;

	if (get_user(&seen, address) || seen != stale_stamp(slot, version.number, page))
		stale_broken(slot, address, version, "in a copy, found %#lx", seen);
}

/* The copy has what the slot has; what is written to the copy the slot does not get. */
static void use_copy(const struct stale_slot *slot, struct stale_version version,
		     struct aspace *copy, unsigned int page)
{
	struct aspace *before = aspace_current();
	uint64_t address = slot->base + page * PAGE_SIZE;

	aspace_use(copy);
	look_at_copy(slot, version, page);
	if (stale_version_at(slot, page).state == STALE_WRITABLE && put_user(0, address) != 0)
		stale_broken(slot, address, version, "a copy cannot be written");
	aspace_use(slot->space);
	look_at_copy(slot, version, page);
	/* Others find their pages shared meanwhile, and write to them. */
	for (unsigned int i = 0; i < SHARED; i++) {
		cpu_relax();
		look_at_copy(slot, version, page);
	}
	aspace_use(before);
}

/* Where a part is unmapped, one beside it. */
static unsigned int draw_mapped(const struct stale_slot *slot, uint64_t *random)
{
	unsigned int page = (unsigned int)random_below(random, slot->pages);
	struct stale_part part = stale_part_of(slot);

	if (stale_version_at(slot, page).state != STALE_UNMAPPED)
		return page;
	return part.from ? part.from - 1 : part.to;
}

static struct stale_version clone(struct stale_slot *slot, struct stale_version version,
				  uint64_t *random)
{
	unsigned int page = draw_mapped(slot, random);
	struct aspace *copy;
	int error = aspace_clone(slot->space, &copy);

	if (error == -ENOMEM)
		return version;
	expect_done(slot, version, error);
	use_copy(slot, version, copy, page);
	expect_done(slot, version, aspace_destroy(copy));
	return version;
}

/* Of a slot with small pages nothing comes: they are none, or are too few. */
static struct stale_version split_or_merge(struct stale_slot *slot, struct stale_version version,
					   uint64_t *random)
{
	uint64_t page = slot->base + random_below(random, slot->pages) * PAGE_SIZE;

	if (slot->level == 1)
		return version;
	if (aspace_split(slot->space, page) == -EINVAL)
		aspace_merge(slot->space, page & ~(2 * MB - 1));
	return version;
}

static change_function *const when_unmapped[] = { map_stamped, populate };
static change_function *const when_mapped[] = {
	unmap, unmap_in_batch, replace,    protect,      protect,
	clone, split_or_merge, unmap_part, protect_part,
};
#define PART_WAYS 2 /* of these, the last: for slots that can have a part and have none yet */
static change_function *const when_part_is_unmapped[] = { unmap_rest, unmap_rest, clone };

static struct stale_version change_kernel_slot(struct stale_slot *slot,
					       struct stale_version version, uint64_t *random)
{
	uint64_t frames[PAGES_MAX];
	void *virt;

	if (version.state != STALE_UNMAPPED) {
		expect_done(slot, version, vunmap((void *)slot->base));
		version.state = STALE_UNMAPPED;
		return version;
	}
	if (!make_frames(slot, next_use(version, random), frames))
		return version;
	if (!vmap(frames, slot->pages, 0, &virt)) {
		version.number++;
		version.state = STALE_READ_ONLY;
		slot->base = (uint64_t)virt;
	}
	put_frames(slot, frames);
	return version;
}

struct stale_version stale_change(struct stale_slot *slot, struct stale_version version,
				  uint64_t *random)
{
	unsigned int ways = sizeof(when_mapped) / sizeof(when_mapped[0]);
	struct stale_part part = stale_part_of(slot);

	if (slot->kernel)
		return change_kernel_slot(slot, version, random);
	if (part.to && part.state == STALE_UNMAPPED)
		return when_part_is_unmapped[random_below(random, 3)](slot, version, random);
	if (part.to || slot->pages == 1)
		ways -= PART_WAYS;
	if (version.state != STALE_UNMAPPED)
		return when_mapped[random_below(random, ways)](slot, version, random);
	return when_unmapped[slot->level == 1 ? random_below(random, 2) : 1](slot, version, random);
}

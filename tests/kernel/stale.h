/*
 * The oracle for stale translations under random changes: spaces with slots in them, which any CPU
 * changes in any way while all others look through them.
 *
 * Each page carries a stamp that says which slot it belongs to and which use of it. A slot's
 * version says what must be found there; it is read before and after every look:
 *
 *   the same, and no change under way   exactly what the version says: this stamp, or a fault
 *   else                                no stamp that is older than the version before
 *
 * So a look that begins when a change has returned finds it, or the rule is broken. A change may
 * be one of some of the pages alone: which, stands beside the version and changes with it.
 */
#ifndef TESTS_KERNEL_STALE_H
#define TESTS_KERNEL_STALE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Makes the spaces, nobody uses them yet. What goes wrong later is told to broken, on the CPU on
 * which it is seen. Boot CPU, one at a time. 0 or -ENOMEM.
 */
int stale_begin(void (*broken)(const char *text));

/* One step: a look, a write, a change, or another space. Thread context, interrupts on. */
void stale_step(uint64_t *random);

/* This CPU makes no steps any more. */
void stale_leave(void);

/*
 * All have left: everything is freed, and must be. alone: nobody else took frames since the
 * beginning, so all that were free are again. Boot CPU.
 */
void stale_end(bool alone);

/* How many looks, writes and changes were made. */
struct stale_counts {
	uint64_t looks, writes, changes;
};
struct stale_counts stale_counts(void);

/* For the files of the oracle. */

#define STALE_SPACES 3

enum stale_state { STALE_UNMAPPED, STALE_READ_ONLY, STALE_WRITABLE };

/* What must be found in a slot; one word, so that it is read in one piece. */
struct stale_version {
	uint32_t count;       /* changes of any kind, begun or ended */
	uint32_t number : 24; /* the use, which its pages are stamped with */
	uint32_t state : 7;
	uint32_t changing : 1;
};

/* Some pages of a slot that are not as the version says, but otherwise; from == to: none. */
struct stale_part {
	uint16_t from, to;
	uint32_t state;
};

struct stale_slot {
	_Atomic uint64_t version, part;
	_Atomic uint32_t taken; /* by who changes it */
	unsigned int id, pages, level;
	_Atomic uint64_t base;
	bool kernel; /* in the kernel's half, where vmap chooses the base */
	struct aspace *space;
};

extern void (*stale_complain)(const char *text);

uint64_t stale_stamp(const struct stale_slot *slot, uint32_t number, unsigned int page);
struct stale_version stale_version_of(const struct stale_slot *slot);
struct stale_part stale_part_of(const struct stale_slot *slot);
void stale_set_part(struct stale_slot *slot, struct stale_part part);

/* The version of a slot with the state that one of its pages has. */
struct stale_version stale_version_at(const struct stale_slot *slot, unsigned int page);

void stale_broken(const struct stale_slot *slot, uint64_t address, struct stale_version version,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Makes a random change of a slot that the caller has taken; its new version. */
struct stale_version stale_change(struct stale_slot *slot, struct stale_version version,
				  uint64_t *random);

/* Reads a word of the kernel's half. 0 or -EFAULT. */
int kernel_word(uint64_t *value, uint64_t address);

#endif

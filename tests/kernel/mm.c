/*
 * Helpers for the tests of address spaces.
 */
#include "mm.h"
#include "test.h"
#include <kernel/mm/frames.h>
#include <kernel/mm/table.h>
#include <lib/errno.h>

#define ALLOCATIONS_MAX 5000

uint64_t space_digest(struct aspace *aspace)
{
	uint64_t digest = 0xcbf29ce484222325ull;

	for (uint64_t virt = aspace->start; virt < aspace->end;) {
		struct entry entry = table_find(aspace, virt);

		if (entry_is_leaf(&entry)) {
			digest = (digest ^ virt) * 0x100000001b3ull;
			digest = (digest ^ mmu_with_traces(entry.value)) * 0x100000001b3ull;
		}
		virt = entry_end(&entry, virt);
	}
	return digest ^ aspace->tables;
}

static bool failed_cleanly(struct aspace *aspace, uint64_t digest, uint64_t free, int error)
{
	EXPECT_EQ(error, -ENOMEM);
	EXPECT_EQ(frames_free(), free);
	EXPECT(!aspace || space_digest(aspace) == digest);
	return error == -ENOMEM && frames_free() == free;
}

void fail_each_allocation(struct aspace *aspace, int (*make)(void *info), void *info)
{
	uint64_t digest = aspace ? space_digest(aspace) : 0, free = frames_free();
	unsigned int nth;

	for (nth = 1; nth < ALLOCATIONS_MAX; nth++) {
		int error;

		frames_fail_at(nth);
		error = make(info);
		if (frames_fail_at(0)) {
			EXPECT_EQ(error, 0);
			break;
		}
		if (!failed_cleanly(aspace, digest, free, error))
			break;
	}
	EXPECT(nth > 1 && nth < ALLOCATIONS_MAX);
}

uint64_t user_word(uint64_t address)
{
	uint64_t value = 0;

	if (get_user(&value, address))
		test_fail(__FILE__, __LINE__, "%#lx cannot be read", address);
	return value;
}

void set_user_word(uint64_t address, uint64_t value)
{
	if (put_user(value, address))
		test_fail(__FILE__, __LINE__, "%#lx cannot be written", address);
}

void swap_pages(struct aspace *aspace, uint64_t a, uint64_t b)
{
	struct entry one = table_find(aspace, a), other = table_find(aspace, b);

	atomic_store(one.at, other.value);
	atomic_store(other.at, one.value);
}

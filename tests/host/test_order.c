/*
 * What puts things in order: the heap beside a list that is searched, the samples beside qsort.
 */
#include <lib/heap.c>
#include <lib/random.h>
#include <lib/samples.c>
#include <stdlib.h>
#include <string.h>
#include <tests/host/tap.h>

#define NODES  40
#define ROUNDS 20000

static uint64_t seed = 1;
static struct heap_node nodes[NODES];
static bool is_in[NODES];

/* The least key of those that are in, by a search; keys go past an overflow. */
static bool is_least(const struct heap *heap, uint64_t start)
{
	uint64_t least = UINT64_MAX;
	bool any = false;

	for (unsigned int i = 0; i < NODES; i++) {
		if (!is_in[i])
			continue;
		any = true;
		if (nodes[i].key - start < least)
			least = nodes[i].key - start;
	}
	return any ? heap->first && heap->first->key - start == least : !heap->first;
}

static void test_heap(uint64_t start, const char *what)
{
	struct heap heap = { 0 };
	bool right = true;

	memset(is_in, 0, sizeof(is_in));
	for (unsigned int round = 0; round < ROUNDS; round++) {
		unsigned int i = (unsigned int)random_below(&seed, NODES);

		if (is_in[i])
			heap_remove(&heap, &nodes[i]);
		else
			heap_add(&heap, &nodes[i], start + random_below(&seed, 100));
		is_in[i] = !is_in[i];
		right &= is_least(&heap, start);
	}
	tap_ok(right, "the least key of %s is in front, whatever is added and taken out", what);
}

static int compare(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

/* The least value that at least so many of a hundred do not exceed. */
static uint64_t rank(const uint64_t *sorted, size_t count, size_t percent)
{
	size_t i = 0;

	while ((i + 1) * 100 < count * percent)
		i++;
	return sorted[i];
}

static bool sums_up(size_t count, uint64_t bound)
{
	size_t size = count * sizeof(uint64_t);
	uint64_t *ours = malloc(size), *theirs = malloc(size);
	struct summary summary;
	bool right;

	for (size_t i = 0; i < count; i++)
		ours[i] = theirs[i] = random_below(&seed, bound);
	summary = samples_summary(ours, count);
	qsort(theirs, count, sizeof(uint64_t), compare);
	right = !memcmp(ours, theirs, size) && summary.min == theirs[0] &&
		summary.p50 == rank(theirs, count, 50) && summary.p90 == rank(theirs, count, 90) &&
		summary.p99 == rank(theirs, count, 99) && summary.max == theirs[count - 1];
	free(ours);
	free(theirs);
	return right;
}

static void test_samples(void)
{
	bool right = true;

	for (size_t count = 1; count <= 300; count++)
		right &= sums_up(count, count % 3 ? UINT64_MAX : 10);
	tap_ok(right, "samples are sorted as qsort does it, and ranked, in any number");
}

int main(void)
{
	test_heap(0, "small keys");
	test_heap(UINT64_MAX - 50, "keys that overflow");
	test_samples();
	return tap_done();
}

/*
 * Sorting and percentiles.
 */
#include <lib/samples.h>

static void swap(uint64_t *a, uint64_t *b)
{
	uint64_t kept = *a;

	*a = *b;
	*b = kept;
}

/* Restores the heap below root: every parent is at least as large as its children. */
static void sift_down(uint64_t *heap, size_t root, size_t count)
{
	for (;;) {
		size_t child = 2 * root + 1;

		if (child >= count)
			return;
		if (child + 1 < count && heap[child + 1] > heap[child])
			child++;
		if (heap[root] >= heap[child])
			return;
		swap(&heap[root], &heap[child]);
		root = child;
	}
}

void samples_sort(uint64_t *samples, size_t count)
{
	for (size_t root = count / 2; root-- > 0;)
		sift_down(samples, root, count);
	for (size_t end = count; end-- > 1;) {
		swap(&samples[0], &samples[end]);
		sift_down(samples, 0, end);
	}
}

static uint64_t percentile(const uint64_t *sorted, size_t count, size_t percent)
{
	return sorted[(count * percent + 99) / 100 - 1];
}

struct summary samples_summary(uint64_t *samples, size_t count)
{
	samples_sort(samples, count);
	return (struct summary){
		.min = samples[0],
		.p50 = percentile(samples, count, 50),
		.p90 = percentile(samples, count, 90),
		.p99 = percentile(samples, count, 99),
		.max = samples[count - 1],
	};
}

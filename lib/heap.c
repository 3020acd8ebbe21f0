/*
 * A pairing heap: each node is before all below it, in no order among those.
 */
#include <lib/heap.h>

/* Two heaps as one; either may be NULL. */
static struct heap_node *heap_meld(struct heap_node *one, struct heap_node *other)
{
	struct heap_node *low = one, *high = other;

	if (!one || !other)
		return one ? one : other;
	if ((int64_t)(other->key - one->key) < 0) {
		low = other;
		high = one;
	}
	high->next = low->child;
	if (high->next)
		high->next->previous = high;
	high->previous = low;
	low->child = high;
	return low;
}

/* Siblings as one heap: pairs from left to right, then all of those from right to left. */
static struct heap_node *heap_meld_siblings(struct heap_node *node)
{
	struct heap_node *pairs = NULL, *whole = NULL;

	while (node) {
		struct heap_node *one = node, *other = node->next;

		node = other ? other->next : NULL;
		one->next = NULL;
		if (other)
			other->next = NULL;
		one = heap_meld(one, other);
		one->next = pairs;
		pairs = one;
	}
	while (pairs) {
		struct heap_node *rest = pairs->next;

		pairs->next = NULL;
		whole = heap_meld(whole, pairs);
		pairs = rest;
	}
	return whole;
}

void heap_add(struct heap *heap, struct heap_node *node, uint64_t key)
{
	*node = (struct heap_node){ .key = key };
	heap->first = heap_meld(heap->first, node);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
	struct heap_node *below = heap_meld_siblings(node->child);

	if (node == heap->first) {
		heap->first = below;
		return;
	}
	if (node->previous->child == node)
		node->previous->child = node->next;
	else
		node->previous->next = node->next;
	if (node->next)
		node->next->previous = node->previous;
	heap->first = heap_meld(heap->first, below);
}

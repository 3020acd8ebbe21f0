/*
 * What has the least key comes out first: a pairing heap, whose nodes lie in what they
 * order. Adding is a comparison, taking out a few. Keys are numbers of a clock: of two
 * the lesser is the one that comes before the other, also past an overflow.
 *
 * All zero is an empty heap. The caller guards it.
 */
#ifndef LIB_HEAP_H
#define LIB_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_node {
	struct heap_node *child, *next; /* the first below it; the next of its siblings */
	struct heap_node *previous; /* the sibling before it, or what it is the first child of */
	uint64_t key;
};

struct heap {
	struct heap_node *first;
};

void heap_add(struct heap *heap, struct heap_node *node, uint64_t key);

/* node must be in the heap. */
void heap_remove(struct heap *heap, struct heap_node *node);

#endif

/*
 * A lock-free list with many producers and one consumer, who always takes all
 * of it. Taking all is what makes it immune to ABA: no node is ever unlinked
 * from the middle, so a compare-and-swap can only be fooled by a head that went
 * away and came back, and then it is right all the same.
 *
 * Any context, NMI included.
 */
#ifndef LIB_LLIST_H
#define LIB_LLIST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct llist_node {
	struct llist_node *next;
};

struct llist_head {
	_Atomic(struct llist_node *) first;
};

/*
 * Puts node in front. Returns whether the list was empty, which is decided by
 * the same compare-and-swap: of all who add at once, exactly one hears true.
 * Release: what was written to the node before is seen by llist_del_all.
 */
static inline bool llist_add(struct llist_node *node, struct llist_head *head)
{
	struct llist_node *first = atomic_load_explicit(&head->first, memory_order_relaxed);

	do {
		node->next = first;
	} while (!atomic_compare_exchange_weak_explicit(&head->first, &first, node,
							memory_order_release,
							memory_order_relaxed));
	return !first;
}

/*
 * Takes all nodes, newest first. Acquire: pairs with the release in llist_add;
 * a read-modify-write continues a release sequence, so one exchange acquires
 * from every producer, not only from the last.
 */
static inline struct llist_node *llist_del_all(struct llist_head *head)
{
	return atomic_exchange_explicit(&head->first, NULL, memory_order_acquire);
}

static inline bool llist_empty(const struct llist_head *head)
{
	return !atomic_load_explicit(&head->first, memory_order_relaxed);
}

/*
 * Turns newest-first into oldest-first; there is at least one. The caller owns the nodes.
 * Three links a turn, so that each variable comes round to where it is needed and none is
 * copied.
 */
static inline struct llist_node *llist_reverse_order(struct llist_node *a)
{
	struct llist_node *b, *c = NULL;

	for (;;) {
		b = a->next;
		a->next = c;
		if (!b)
			return a;
		c = b->next;
		b->next = a;
		if (!c)
			return b;
		a = c->next;
		c->next = b;
		if (!a)
			return c;
	}
}

#endif

/*
 * A doubly linked list. All zero is an empty list, so that what holds one needs no
 * initialiser. The caller guards it.
 */
#ifndef LIB_LIST_H
#define LIB_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
	struct list_node *next, *previous;
};

struct list {
	struct list_node *first, *last;
};

static inline bool list_empty(const struct list *list)
{
	return !list->first;
}

static inline void list_add_tail(struct list *list, struct list_node *node)
{
	node->next = NULL;
	node->previous = list->last;
	if (list->last)
		list->last->next = node;
	else
		list->first = node;
	list->last = node;
}

/* node must be in the list. */
static inline void list_remove(struct list *list, struct list_node *node)
{
	if (node->previous)
		node->previous->next = node->next;
	else
		list->first = node->next;
	if (node->next)
		node->next->previous = node->previous;
	else
		list->last = node->previous;
}

#endif

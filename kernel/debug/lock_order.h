/*
 * What debug builds know of spin locks and mutexes: which are held, which was ever taken while
 * which other was held, and with interrupts on or off. Locks that are written alike in one file
 * are one class.
 *
 * Reported, with a backtrace, once for each class or pair of classes:
 *
 *   two classes are taken in both orders, or one inside itself
 *   a class is held with interrupts on, and waited for where they are off
 *   a waited call while a lock is held that is also taken with interrupts off
 *   a lock is let go that this CPU does not hold; a thread is left that holds one
 *
 *   a mutex: orders of mutexes among each other, and a thread that ends while it has one
 *
 * A lock that this CPU holds already would be waited for without end: that is a panic.
 */
#ifndef KERNEL_DEBUG_LOCK_ORDER_H
#define KERNEL_DEBUG_LOCK_ORDER_H

#include <stdbool.h>

/* Before a lock is waited for. Any context. irqs_off: as the caller had them. */
void lock_order_before(const void *lock, const char *name, bool irqs_off);

/* It was taken; irqs_off: they are off while it is held. Then it was let go. */
void lock_order_taken(const void *lock, const char *name, bool irqs_off);
void lock_order_let_go(const void *lock, const char *name);

/* Of a mutex, which is a thread's, and may be held over waits. In the thread. */
void lock_order_mutex_before(const char *name);
void lock_order_mutex_taken(const void *mutex, const char *name);
void lock_order_mutex_let_go(const void *mutex);

/* The thread ends: what it has is let go by nobody any more. */
void lock_order_thread_ends(void);

/* Before something that no lock may be held for that is taken with interrupts off. */
void lock_order_before_wait(const char *what);

/* Where no lock may be held at all. */
void lock_order_none_held(const char *where);

#endif

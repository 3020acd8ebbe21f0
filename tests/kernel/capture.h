/*
 * What the console is told, kept for a test to read.
 */
#ifndef TESTS_KERNEL_CAPTURE_H
#define TESTS_KERNEL_CAPTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Forgets what was kept and begins anew. Boot CPU, thread context. */
void capture_start(void);

/* Waits until all that was said is kept, and ends it. */
void capture_end(void);

/* The text, with a NUL at its end, and its length. After capture_end. */
const char *capture_text(size_t *length);

/*
 * The first place where needle stands, behind start or, if that is NULL, at all; NULL
 * if it does not. It may be asked while text still comes in.
 */
const char *capture_find(const char *start, const char *needle);

/* capture_heard becomes true as soon as needle stands there; it must stay. */
void capture_listen_for(const char *needle);
extern atomic_bool capture_heard;

/*
 * How many warnings, and stalls and lockups of a second or more, were told while nothing was
 * captured, since this was first called: nobody meant them to be. Of more than 64 CPUs, or where
 * stall_ms= asks for less than a second, warnings alone. Boot CPU, thread context.
 */
unsigned int capture_complaints(void);

/* What begins so is none from now on; it must stay. */
void capture_expect(const char *opening);

/* Whether all of these texts stand there, one after the other. */
bool capture_has_all(const char *const *needles);
#define capture_has(...) capture_has_all((const char *const[]){ __VA_ARGS__, NULL })

/* The same of what is said once in a boot: or whether they stood there when this was asked before. */
#define capture_has_once(...) \
	({ \
		static bool told_; \
		told_ |= capture_has(__VA_ARGS__); \
		told_; \
	})

#endif

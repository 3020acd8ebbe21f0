/*
 * Formatting of text into a buffer. Any context.
 *
 * Conversions: %d %i %u %x %X %p %c %s %%, the flags '-' '0' '+' ' ' '#', a width and
 * a precision (both also as '*'), the lengths hh h l ll z t. No floating point:
 * the kernel never touches the FPU.
 */
#ifndef LIB_PRINTF_H
#define LIB_PRINTF_H

#include <stdarg.h>
#include <stddef.h>

/*
 * Writes at most size bytes including the closing NUL (none if size is 0).
 * Returns the length that the whole text has, as in C99.
 */
int vsnprintf(char *buffer, size_t size, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
int snprintf(char *buffer, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif

/* Names for addresses. Any context, NMI included. */
#ifndef KERNEL_DEBUG_SYMBOLS_H
#define KERNEL_DEBUG_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Writes "function+0x12 [address]" for an address in the kernel's text. One that a call returns
 * to belongs to the function that holds the byte before it: a call that never returns may be the
 * last thing in that.
 */
void symbol_format(uint64_t address, bool returns, char *text, size_t size);

/* Writes "function" for the address of its beginning, or the address; returns text. */
const char *symbol_name(uint64_t address, char *text, size_t size);

/* The function's name, or NULL; *offset is how far into it the address is. */
const char *symbol_find(uint64_t address, uint64_t *offset);

#endif

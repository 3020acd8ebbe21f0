/*
 * The contract of arch/x86_64/include/arch/uaccess.h kept by a program, as far as tests use it.
 */
#ifndef ARCH_UACCESS_H
#define ARCH_UACCESS_H

#include <stdint.h>

#define USER_START 0x10000ul
#define USER_END   0x00007ffffffff000ul

int get_user(uint64_t *value, uint64_t address);
int put_user(uint64_t value, uint64_t address);

#endif

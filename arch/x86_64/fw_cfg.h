/*
 * QEMU's fw_cfg device: files given on its command line. Boot CPU. Without QEMU no
 * file exists; the ports are not touched unless a hypervisor is there.
 */
#ifndef X86_FW_CFG_H
#define X86_FW_CFG_H

#include <stddef.h>

/* Size in bytes; 0 when there is no such file or it is empty. */
size_t fw_cfg_size(const char *name);

/* Reads at most size bytes; returns how many. */
size_t fw_cfg_read(const char *name, void *to, size_t size);

#endif

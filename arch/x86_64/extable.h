/*
 * Instructions that are allowed to fault. Each has an entry that says where to go
 * on; the linker gathers them.
 */
#ifndef X86_EXTABLE_H
#define X86_EXTABLE_H

#include <stdint.h>

struct extable_entry {
	uint64_t instruction, fixup;
};

#define EXTABLE(instruction, fixup) \
	".pushsection .extable, \"a\"\n\t" \
	".quad " #instruction ", " #fixup "\n\t" \
	".popsection\n"

/* Where to go on after a fault at rip; 0 if none was expected. Any context. */
uint64_t extable_find(uint64_t rip);

#endif

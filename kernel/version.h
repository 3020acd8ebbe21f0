/* Which Nudge this is. */
#ifndef KERNEL_VERSION_H
#define KERNEL_VERSION_H

extern const char nudge_version[], nudge_commit[], nudge_compiler[];

#endif

/* The framebuffer as a console. Boot CPU. */
#ifndef KERNEL_CONSOLE_FRAMEBUFFER_H
#define KERNEL_CONSOLE_FRAMEBUFFER_H

#include <kernel/console/fbcon.h>

/* Begins to show text on a mapped framebuffer; says why if it cannot. */
void framebuffer_start(const struct fb_info *fb);

#endif

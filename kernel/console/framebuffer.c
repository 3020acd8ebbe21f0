/*
 * Joins framebuffer, font and memory to a console. The font is a file of the
 * machine that built the image (see tools/font).
 */
#include <arch/mm.h>
#include <kernel/console/console.h>
#include <kernel/console/framebuffer.h>
#include <kernel/console/printk.h>
#include <kernel/mm/frames.h>

extern const char font_start[], font_end[];

static struct psf_font font;
static struct fbcon screen;

static void write_screen(const char *text, size_t length)
{
	fbcon_write(&screen, text, length);
}

static struct console_device device = { .name = "fb", .write = write_screen };

void framebuffer_start(const struct fb_info *fb)
{
	size_t bytes;
	uint64_t cells;

	if (psf_open(&font, font_start, (size_t)(font_end - font_start))) {
		printk("console: the built-in font is damaged, no text on the screen\n");
		return;
	}
	bytes = fbcon_cells_bytes(fb, &font);
	cells = bytes ? frames_alloc((bytes + PAGE_SIZE - 1) / PAGE_SIZE, ~0ull) : FRAME_NONE;
	if (!cells || fbcon_init(&screen, fb, &font, phys_to_virt(cells), bytes)) {
		printk("console: a framebuffer of %ux%u, %u bpp cannot be used\n", fb->width,
		       fb->height, fb->bpp);
		return;
	}
	console_add(&device);
}

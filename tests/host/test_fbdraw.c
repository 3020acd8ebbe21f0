/*
 * Drawing on framebuffers: every pixel format and size, what must be refused, the block elements.
 * Usage: test_fbdraw [FONT.psf [PICTURE.ppm [WIDTH HEIGHT]]] draws a page that shows what there is.
 */
#include <tests/host/fb_screen.h>

static void test_formats(void)
{
	for (size_t i = 0; i < FORMATS; i++) {
		for (uint32_t padding = 0; padding < 9; padding += 3) {
			bool ok = open_screen(&formats[i], 83 * 8 + 5, 7 * 16 + 9, padding) == 0;
			con.cursor = false;
			print("Hello, \033[1;31mworld\033[0m\n\033[38;2;200;100;50;48;2;1;2;255mheat");
			ok = ok && looks(0, 0, "Hello, ", FG, 0) &&
			     looks(0, 7, "world", 0xff5555, 0) &&
			     looks(1, 0, "heat", 0xc86432, 0x0102ff) && looks(1, 4, "  ", 0, 0) &&
			     guards_intact() && read_pixel(fb.width - 1, fb.height - 1) == 0;
			tap_ok(ok && screen_is_as_redrawn(), "%u bpp, red at %u, padding %u",
			       fb.bpp, fb.red_pos, padding);
		}
	}
}

static bool refused(const struct fb_info *bad)
{
	uint64_t memory[64];

	return !fbcon_cells_bytes(bad, &font) &&
	       fbcon_init(&con, bad, &font, memory, sizeof(memory)) == -EINVAL;
}

static void test_refusals(void)
{
	uint64_t memory[4096];
	struct fb_info good = formats[0], bad;

	good.base = memory;
	good.width = 64;
	good.height = 32;
	good.pitch = 256;
	size_t bytes = fbcon_cells_bytes(&good, &font);
	tap_ok(bytes && bytes <= sizeof(memory), "a small screen needs %zu bytes", bytes);
	tap_ok(fbcon_init(&con, &good, &font, memory, bytes - 1) == -ENOSPC, "too little memory");
	tap_ok(fbcon_init(&con, &good, &font, NULL, bytes) == -ENOSPC, "no memory");
	tap_ok(fbcon_init(&con, &good, &font, (char *)memory + 4, bytes) == -EINVAL,
	       "misaligned memory");
	fbcon_write(&con, "x", 1);
	fbcon_redraw(&con);
	tap_ok(con.cells_drawn == 0, "a console that is not there swallows text");
#define REFUSED(what, change) \
	do { \
		bad = good; \
		bad.change; \
		tap_ok(refused(&bad), "refused: %s", what); \
	} while (0)
	REFUSED("no address", base = NULL);
	REFUSED("8 bpp", bpp = 8);
	REFUSED("0 bpp", bpp = 0);
	REFUSED("pitch less than the width", pitch = 255);
	REFUSED("narrower than a character", width = 7);
	REFUSED("lower than a character", height = 15);
	REFUSED("no height", height = 0);
	REFUSED("2^31 wide", width = 1u << 31);
	REFUSED("2^32-1 high", height = ~0u);
	REFUSED("no green", green_size = 0);
	REFUSED("red beyond the pixel", red_pos = 25);
	REFUSED("blue of 32 bits", blue_size = 32);
#undef REFUSED
}

static void test_scale(void)
{
	static const struct {
		uint32_t width, height, scale;
	} cases[] = {
		{ 640, 480, 1 },   { 1024, 768, 1 },  { 1920, 1080, 1 }, { 2560, 1080, 2 },
		{ 2560, 1440, 2 }, { 2560, 1600, 2 }, { 3840, 2160, 3 }, { 5120, 1440, 3 },
		{ 7680, 4320, 6 }, { 1080, 1920, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool ok = open_screen(&formats[0], cases[i].width, cases[i].height, 0) == 0;
		con.cursor = false;
		print("Ab\n\033[7mc");
		tap_ok(ok && con.draw.scale == cases[i].scale && looks(0, 0, "Ab ", FG, 0) &&
			       looks(1, 0, "c", 0, FG),
		       "%ux%u: scale %u, %u columns, %u rows", fb.width, fb.height, con.draw.scale,
		       con.draw.cols, con.draw.rows);
	}
}

static void test_blocks(void)
{
	uint8_t full[16], half[16], eighth[16], low[16] = { 0 };

	memset(full, 0xff, 16);
	memset(half, 0xf0, 16);
	memset(eighth, 0x80, 16);
	memset(low + 14, 0xff, 2);
	page("\xe2\x96\x88\xe2\x96\x8c\xe2\x96\x8f\xe2\x96\x81\xe2\x96\x96\xe2\x95\xbf");
	tap_ok(cell_looks(0, 0, full, FG, 0) && cell_looks(0, 1, half, FG, 0) &&
		       cell_looks(0, 2, eighth, FG, 0) && cell_looks(0, 3, low, FG, 0),
	       "block elements are made if the font has none");
	tap_ok(looks(0, 4, "?? ", FG, 0), "their neighbours are not");

	/* 24-bit pixels are composed with stores of 32 bits: the last of a full row sticks out. */
	memset(half, 0, 16);
	memset(half, 0xff, 8);
	open_screen(&formats[3], 20 * 8, 5 * 16, 0);
	fbcon_redraw(&con);
	print("\xe2\x96\x80");
	tap_ok(cell_looks(0, 0, half, FG, 0), "rows of the full width do not damage them");
}

static void draw_heat_map(void)
{
	char text[200];

	for (int row = 0; row < 4; row++) {
		sprintf(text, "from %d ", row);
		print(text);
		for (int col = 0; col < 12; col++) {
			int heat = (row * 97 + col * 53) % 256;
			sprintf(text, "\033[38;2;0;0;0;48;2;%d;%d;64m %4d \033[0m", heat,
				255 - heat, 1000 + heat);
			print(text);
		}
		print("\n");
	}
}

static void draw_page(void)
{
	for (int i = 0; i < 90; i++)
		print("a line that scrolls away, with \033[33mcolours\033[0m\n");
	print("\033[1mNudge\033[0m 0.1  4 CPUs · x2APIC · 2→1 1190 ns · 25 °C · 3 µs · café ─│┌┐└┘├┤\n");
	print("cpus  \033[32m████████████████\033[0m▏▎▍▌▋▊▉█ ▁▂▃▄▅▆▇█ ░▒▓ ▀▐▔▕ 4/4\n");
	for (int colour = 0; colour < 16; colour++) {
		char text[64];
		sprintf(text, "\033[%dm %02d \033[0m\033[%dm %02d \033[0m",
			(colour < 8 ? 30 : 82) + colour, colour, (colour < 8 ? 40 : 92) + colour,
			colour);
		print(text);
	}
	print("\n\033[7m inverse \033[0m \033[1;31mPANIC on CPU 2\033[0m \xff\xfe bad bytes\n");
	draw_heat_map();
	for (int code = ' '; code < 0x7f; code++)
		fbcon_write(&con, (const char[]){ code }, 1);
	print("\nnudge> ");
}

static int write_picture(const char *path)
{
	FILE *file = fopen(path, "wb");

	if (!file)
		return -EIO;
	fprintf(file, "P6 %u %u 255\n", fb.width, fb.height);
	for (uint32_t y = 0; y < fb.height; y++) {
		for (uint32_t x = 0; x < fb.width; x++) {
			uint32_t dot = read_pixel(x, y);
			fputc(dot >> 16 & 0xff, file);
			fputc(dot >> 8 & 0xff, file);
			fputc(dot & 0xff, file);
		}
	}
	return fclose(file) ? -EIO : 0;
}

/* The page with a real font; that every byte of it is well-formed is all that is checked. */
static void test_real_font(int argc, char **argv)
{
	static uint8_t data[1 << 20];
	FILE *file = fopen(argv[1], "rb");
	size_t size = file ? fread(data, 1, sizeof(data), file) : 0;

	if (file)
		fclose(file);
	if (!tap_ok(psf_open(&font, data, size) == 0, "%s opens", argv[1]))
		return;
	open_screen(&formats[0], argc > 4 ? atoi(argv[3]) : 1024, argc > 4 ? atoi(argv[4]) : 768,
		    0);
	draw_page();
	tap_ok(guards_intact() && screen_is_as_redrawn(), "a page in %s", argv[1]);
	if (argc > 2)
		tap_ok(write_picture(argv[2]) == 0, "wrote %s", argv[2]);
}

int main(int argc, char **argv)
{
	make_font();
	test_refusals();
	test_formats();
	test_scale();
	test_blocks();
	if (argc > 1)
		test_real_font(argc, argv);
	else
		tap_skip("no font was named", "a page in the console font");
	return tap_done();
}

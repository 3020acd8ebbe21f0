/*
 * The text console on a framebuffer: what text and escape sequences leave on the screen, what that
 * costs in drawn cells, and that no text and no state that a panic may find draws outside of it.
 */
#include <tests/host/fb_screen.h>
#include <time.h>

static void test_text(void)
{
	page("one\ntwo\rTw\nab\b\bcd\n\ttab");
	tap_ok(looks(0, 0, "one ", FG, 0) && looks(1, 0, "Two ", FG, 0) &&
		       looks(2, 0, "cd ", FG, 0) && looks(3, 0, "        tab ", FG, 0),
	       "newline, return, backspace, tab");
	page("\b\bx\t\t\t\tz");
	tap_ok(looks(0, 0, "x                  z", FG, 0) && con.row == 0,
	       "they stop at the edges");
	page("12345678901234567890\nab\n123456789012345678901");
	tap_ok(looks(0, 0, "12345678901234567890", FG, 0) && looks(1, 0, "ab ", FG, 0) &&
		       looks(3, 0, "1 ", FG, 0) && con.row == 3,
	       "a full row wraps only when more follows");
	page("1\n2\n3\n4\n5\n6\n7");
	tap_ok(looks(0, 0, "3 ", FG, 0) && looks(4, 0, "7 ", FG, 0), "scrolls");
	page("\033[41m1\n2\n3\n4\n5\n6\033[0m");
	tap_ok(looks(4, 0, "6", FG, 0xaa0000) && looks(4, 1, "    ", FG, 0),
	       "a background does not smear into the row that scrolls in");
	page("\xc3\xa9\xe2\x96\x88\xff");
	tap_ok(cell_looks(0, 0, psf_glyph(&font, 0xe9), FG, 0) && looks(0, 2, "? ", FG, 0),
	       "UTF-8, and a question mark for what is not");
	print("\xc3");
	print("\xa9");
	tap_ok(cell_looks(0, 3, psf_glyph(&font, 0xe9), FG, 0), "a character cut by two writes");
}

static void test_sequences(void)
{
	page("\033[31ma\033[1mb\033[22mc\033[90md\033[39;44me\033[49;7mf\033[27mg\033[mh");
	tap_ok(looks(0, 0, "a", 0xaa0000, 0) && looks(0, 1, "b", 0xff5555, 0) &&
		       looks(0, 2, "c", 0xaa0000, 0) && looks(0, 3, "d", 0x555555, 0) &&
		       looks(0, 4, "e", FG, 0x2244cc) && looks(0, 5, "f", 0, FG) &&
		       looks(0, 6, "g", FG, 0) && looks(0, 7, "h ", FG, 0),
	       "SGR: colours, bold, inverse and their ends");
	page("\033[38;2;300;0;7;1;48;2;0;9;0ma\033[0;1;38;5;31mb\033[38;2;1mc\033[97;107md");
	tap_ok(looks(0, 0, "a", 0xff0007, 0x000900) && looks(0, 1, "bc", WHITE, 0) &&
		       looks(0, 3, "d", WHITE, WHITE),
	       "SGR: 24-bit colours; what is not known changes nothing else");
	page("a\033[?25lb\033]0;title\033\\c\033(Bd\0337e\033[38:2::1:2:3mf\033[12;5zg\033[>4;1mh");
	tap_ok(looks(0, 0, "abcdefgh ", FG, 0), "unknown sequences are swallowed");
	page("\033[32ma\033[31;2;2;2;2;2;2;2;2;2;2;2;2;2;2;2;2mb\033[99999999999999999999mc");
	tap_ok(looks(0, 0, "abc ", 0x00aa00, 0), "so are those that are too long");
	page("a\033]never ended\nb\033[31\nc\033\n4\033P\033[32me");
	tap_ok(looks(0, 0, "a ", FG, 0) && looks(1, 0, "b ", FG, 0) && looks(2, 0, "c ", FG, 0) &&
		       looks(3, 0, "4", FG, 0) && looks(3, 1, "e ", 0x00aa00, 0),
	       "a sequence cut short ends with its line or at the next");
	page("one\ntwo\nthree\rTH\033[K\033[2;2HW\033[99;99Hz\033[Hx");
	tap_ok(looks(0, 0, "xne ", FG, 0) && looks(1, 0, "tWo ", FG, 0) &&
		       looks(2, 0, "TH   ", FG, 0) && looks(4, 19, "z", FG, 0),
	       "K to the end, H anywhere");
	page("one\ntwo\nthree\033[2;2H\033[1K\033[3;2H\033[J");
	tap_ok(looks(0, 0, "one ", FG, 0) && looks(1, 0, "  o ", FG, 0) &&
		       looks(2, 0, "t    ", FG, 0),
	       "1K and J");
	page("one\ntwo\n\033[44m\033[2J\033[Hx");
	tap_ok(looks(0, 0, "x", FG, 0x2244cc) && looks(1, 0, "    ", FG, 0x2244cc) &&
		       looks(4, 19, " ", FG, 0x2244cc),
	       "2J in the background that is set");
}

static void test_cursor(void)
{
	open_screen(&formats[0], 20 * 8, 5 * 16, 4);
	print("ab");
	tap_ok(looks(0, 0, "ab", FG, 0) && looks(0, 2, " ", 0, FG),
	       "the cursor stands after the text");
	print("\b");
	tap_ok(looks(0, 1, "b", 0, FG) && looks(0, 2, " ", FG, 0), "and moves with \\b");
	print("\n\n\n\n\n\nc");
	con.cursor = false;
	print("");
	tap_ok(looks(4, 0, "c   ", FG, 0) && looks(3, 0, "    ", FG, 0), "leaves nothing behind");
}

static const char *const fragments[] = {
	"word ",
	"\n",
	"\xc3\xa9",
	"\xe2\x96\x8f",
	"\033[1;32m",
	"\033[0m",
	"\033[K",
	"\r",
	"\t",
	"\b",
	"\033[2J",
	"\033[3;4H",
	"\033[48;2;9;99;200m",
	"\xe2",
	"\033[",
	"\033]x",
	"a longer line of text\n",
};

static size_t random_text(char *text, size_t size)
{
	size_t length = 0;

	while (length + 32 < size) {
		uint32_t pick = next_random() % (sizeof(fragments) / sizeof(fragments[0]) + 1);
		if (pick == sizeof(fragments) / sizeof(fragments[0])) {
			text[length++] = next_random();
			continue;
		}
		memcpy(text + length, fragments[pick], strlen(fragments[pick]));
		length += strlen(fragments[pick]);
	}
	return length;
}

/* Random text, written whole and cut at random, on the same screen. */
static void test_random(void)
{
	static char text[4000];
	unsigned int bad = 0;

	for (unsigned int round = 0; round < 60; round++) {
		const struct fb_info *format = &formats[round % FORMATS];
		size_t length = random_text(text, 100 + next_random() % 3900);
		uint8_t *whole;

		open_screen(format, 163, 100, round % 5);
		fbcon_write(&con, text, length);
		bad += !guards_intact();
		whole = malloc((size_t)fb.pitch * fb.height);
		memcpy(whole, fb.base, (size_t)fb.pitch * fb.height);

		open_screen(format, 163, 100, round % 5);
		for (size_t at = 0, part; at < length; at += part) {
			part = 1 + next_random() % 40;
			part = part > length - at ? length - at : part;
			fbcon_write(&con, text + at, part);
		}
		bad += memcmp(whole, fb.base, (size_t)fb.pitch * fb.height) != 0;
		bad += !screen_is_as_redrawn();
		free(whole);
	}
	tap_ok(!bad, "random text: whole, in pieces and redrawn are the same (%u differ)", bad);
}

/* A panic may find any state: with the numbers torn, drawing must stay in bounds. */
static void test_torn_state(void)
{
	for (unsigned int round = 0; round < 200; round++) {
		open_screen(&formats[round % FORMATS], 163, 100, 3);
		print("before\n");
		con.row = next_random() % (con.draw.rows + 2);
		con.col = next_random() % (con.draw.cols + 3);
		con.top = next_random() % (con.draw.rows + 2);
		con.dirty_first = next_random() % 10;
		con.dirty_end = next_random() % 10;
		con.ansi.state = next_random() % 6;
		con.ansi.parameters = next_random() % 20;
		con.utf8.more = next_random() % 5;
		print("PANIC\nline \033[31mtwo\n\033[K\033[1K\033[2J\nthree 12345678901234567890123456789\n");
	}
	tap_ok(guards_intact(), "torn state: nothing outside is touched");
}

/* A line as Nudge prints them. */
static size_t log_line(char *text, unsigned int number)
{
	return sprintf(text, "ok %u - smp.call_function_single_%u (%u ns)\n", number,
		       number * 7 % 13, 1000 + number * 37 % 900);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void test_scroll_cost(void)
{
	static char text[1000 * 80];
	size_t length = 0;
	uint64_t before, screen;
	double start;

	open_screen(&formats[0], 1920, 1080, 0);
	screen = (uint64_t)con.draw.cols * con.draw.rows;
	for (unsigned int i = 0; i < 200; i++)
		fbcon_write(&con, text, log_line(text, i));
	before = con.cells_drawn;
	start = seconds();
	for (unsigned int i = 200; i < 400; i++)
		fbcon_write(&con, text, log_line(text, i));
	printf("# a log line: %.0f of %u cells, %.2f ms here\n", (con.cells_drawn - before) / 200.0,
	       (unsigned int)screen, (seconds() - start) * 1000 / 200);
	tap_ok(con.cells_drawn - before < 200 * screen / 25,
	       "log lines draw under a twenty-fifth of the screen each");
	print("\033[2J\033[99H1\n2");
	tap_ok(con.row == con.draw.rows - con.draw.rows / 8 && looks(con.row - 1, 0, "1 ", FG, 0) &&
		       looks(con.row, 0, "2", FG, 0) && looks(con.draw.rows - 1, 0, "  ", FG, 0),
	       "a screen scrolls by an eighth at once");

	for (unsigned int i = 0; i < 1000; i++)
		length += log_line(text + length, i);
	before = con.cells_drawn;
	fbcon_write(&con, text, length);
	printf("# 1000 lines in one write: %u of %u cells\n",
	       (unsigned int)(con.cells_drawn - before), (unsigned int)screen);
	tap_ok(con.cells_drawn - before <= screen,
	       "a thousand lines in one write draw a cell once");

	before = con.cells_drawn;
	fbcon_write(&con, "x", 1);
	tap_ok(con.cells_drawn - before <= 3, "a character draws itself and the cursor");
	print("\n\033[2J\033[H");
	before = con.cells_drawn;
	print("\n\n\n\033[2J\033[44m\033[2J\033[0m\033[2J\033[H");
	tap_ok(con.cells_drawn == before, "what ends as it was is not drawn");
}

int main(void)
{
	make_font();
	test_text();
	test_sequences();
	test_cursor();
	test_random();
	test_torn_state();
	test_scroll_cost();
	return tap_done();
}

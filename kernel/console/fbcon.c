/*
 * The framebuffer console: text to cells, and which cells to draw. Scrolling turns a ring of rows,
 * so that it costs the clearing of rows; the price is paid once at the end of a write, in cells
 * that really look different.
 */
#include <kernel/console/fbcon.h>
#include <lib/errno.h>
#include <lib/string.h>

#define TAB_WIDTH   8
#define JUMPS       8          /* scrolls that change the whole screen */
#define NEVER_SHOWN UINT64_MAX /* equals no cell: there is no glyph 0xffff */

/* The cells of a row of the screen as they are wanted. */
static uint64_t *row_of(const struct fbcon *con, uint32_t row)
{
	return con->wanted + (size_t)((con->top + row) % con->draw.rows) * con->draw.cols;
}

static void mark_dirty(struct fbcon *con, uint32_t first, uint32_t end)
{
	con->dirty_first = min_u32(con->dirty_first, first);
	if (con->dirty_end < end)
		con->dirty_end = end;
}

static void fill(uint64_t *cells, size_t count, uint64_t cell)
{
	while (count--)
		*cells++ = cell;
}

/* Only a blank's background shows: blanks that differ in no more must compare as equal. */
static uint64_t blank_cell(const struct fbcon *con, uint32_t bg)
{
	return fbdraw_cell(0, bg, fbdraw_glyph(&con->draw, ' '));
}

static uint64_t text_cell(const struct fbcon *con, uint32_t code)
{
	uint32_t bg = ansi_background(&con->ansi);

	if (code == ' ')
		return blank_cell(con, bg);
	return fbdraw_cell(ansi_foreground(&con->ansi), bg, fbdraw_glyph(&con->draw, code));
}

/* Blanks the cells from first up to end, counted along the rows from the top left. */
static void erase(struct fbcon *con, uint32_t first, uint32_t end)
{
	uint64_t blank = blank_cell(con, ansi_background(&con->ansi));
	uint32_t cols = con->draw.cols;

	for (uint32_t at = first; at < end; at++)
		row_of(con, at / cols)[at % cols] = blank;
	mark_dirty(con, first / cols, (end + cols - 1) / cols);
}

/*
 * By several rows at once, which costs the same as one: nearly all cells look different. A row
 * that comes in is black, whatever background is set: a coloured cell must not smear.
 */
static void scroll(struct fbcon *con)
{
	uint32_t rows = con->draw.rows / JUMPS ? con->draw.rows / JUMPS : 1;

	for (uint32_t i = 0; i < rows; i++) {
		fill(row_of(con, 0), con->draw.cols, blank_cell(con, 0));
		con->top = (con->top + 1) % con->draw.rows;
	}
	con->row -= rows;
	mark_dirty(con, 0, con->draw.rows);
}

static void new_line(struct fbcon *con)
{
	con->col = 0;
	if (con->row + 1 == con->draw.rows)
		scroll(con);
	con->row++;
}

static void put(struct fbcon *con, uint32_t code)
{
	uint32_t col;

	if (con->col >= con->draw.cols)
		new_line(con);
	col = min_u32(con->col, con->draw.cols - 1);
	row_of(con, con->row)[col] = text_cell(con, code);
	mark_dirty(con, con->row, con->row + 1);
	con->col = col + 1;
}

static void control(struct fbcon *con, uint32_t code)
{
	if (code == '\n')
		new_line(con);
	else if (code == '\r')
		con->col = 0;
	else if (code == '\b' && con->col)
		con->col--;
	else if (code == '\t')
		con->col =
			min_u32(con->col / TAB_WIDTH * TAB_WIDTH + TAB_WIDTH, con->draw.cols - 1);
}

static void move_to(struct fbcon *con, uint32_t row, uint32_t col)
{
	con->row = min_u32(row, con->draw.rows - 1);
	con->col = min_u32(col, con->draw.cols - 1);
}

/* K erases in the row and J in the screen: after the cursor, up to and with it, or all. */
static void erase_part(struct fbcon *con, uint32_t part, uint32_t first, uint32_t end)
{
	uint32_t at = con->row * con->draw.cols + min_u32(con->col, con->draw.cols - 1);

	if (part == 0)
		erase(con, at, end);
	else if (part == 1)
		erase(con, first, at + 1);
	else if (part == 2)
		erase(con, first, end);
}

static void sequence(struct fbcon *con, uint32_t letter)
{
	uint32_t part = ansi_parameter(&con->ansi, 0, 0);
	uint32_t cols = con->draw.cols;

	if (letter == 'H')
		move_to(con, ansi_parameter(&con->ansi, 0, 1) - 1,
			ansi_parameter(&con->ansi, 1, 1) - 1);
	else if (letter == 'K')
		erase_part(con, part, con->row * cols, (con->row + 1) * cols);
	else if (letter == 'J')
		erase_part(con, part, 0, con->draw.rows * cols);
}

static void feed(struct fbcon *con, uint32_t code)
{
	enum ansi_event event = ansi_feed(&con->ansi, code);

	if (event == ANSI_TEXT)
		put(con, code);
	else if (event == ANSI_CONTROL)
		control(con, code);
	else if (event == ANSI_SEQUENCE)
		sequence(con, code);
}

/*
 * The cursor is a cell like others while it is shown. It is taken out before the text moves, and
 * what it stood on is kept beside it, so that a panic in between can leave no second cursor.
 */
static void hide_cursor(struct fbcon *con)
{
	if (con->cursor_at)
		*con->cursor_at = con->cursor_under;
	con->cursor_at = NULL;
	mark_dirty(con, con->row, con->row + 1);
}

static void show_cursor(struct fbcon *con)
{
	uint64_t *at = row_of(con, con->row) + min_u32(con->col, con->draw.cols - 1);

	if (!con->cursor)
		return;
	con->cursor_under = *at;
	*at = fbdraw_cell(0, ansi_foreground(&con->ansi), *at & 0xffff);
	con->cursor_at = at;
	mark_dirty(con, con->row, con->row + 1);
}

/* What is shown is noted last: a drawing that a panic cut short is done again. */
static void draw_run(struct fbcon *con, uint32_t row, uint32_t col, uint32_t count)
{
	const uint64_t *cells = row_of(con, row) + col;

	fbdraw_cells(&con->draw, row, col, cells, count);
	memcpy(con->shown + (size_t)row * con->draw.cols + col, cells, count * sizeof(*cells));
	con->cells_drawn += count;
}

static void draw_row(struct fbcon *con, uint32_t row)
{
	const uint64_t *wanted = row_of(con, row);
	const uint64_t *shown = con->shown + (size_t)row * con->draw.cols;
	uint32_t first, end, cols = con->draw.cols;

	for (first = 0; first < cols; first = end + 1) {
		for (end = first; end < cols && wanted[end] != shown[end]; end++)
			;
		if (end > first)
			draw_run(con, row, first, end - first);
	}
}

static void draw_dirty(struct fbcon *con)
{
	uint32_t end = min_u32(con->dirty_end, con->draw.rows);

	for (uint32_t row = con->dirty_first; row < end; row++)
		draw_row(con, row);
	con->dirty_first = con->draw.rows;
	con->dirty_end = 0;
}

size_t fbcon_cells_bytes(const struct fb_info *fb, const struct psf_font *font)
{
	struct fbdraw draw;

	if (!fbdraw_measure(&draw, fb, font))
		return 0;
	return (size_t)draw.cols * draw.rows * 2 * sizeof(uint64_t) + fbdraw_bytes(&draw);
}

int fbcon_init(struct fbcon *con, const struct fb_info *fb, const struct psf_font *font,
	       void *cells_memory, size_t cells_bytes)
{
	size_t needed = fbcon_cells_bytes(fb, font);
	size_t cells;

	memset(con, 0, sizeof(*con));
	if (!needed || (uintptr_t)cells_memory % sizeof(uint64_t))
		return -EINVAL;
	if (!cells_memory || cells_bytes < needed)
		return -ENOSPC;

	fbdraw_measure(&con->draw, fb, font);
	cells = (size_t)con->draw.cols * con->draw.rows;
	fbdraw_init(&con->draw, (uint64_t *)cells_memory + 2 * cells);
	con->shown = (uint64_t *)cells_memory + cells;
	fill(con->shown, cells, blank_cell(con, 0));
	fill(cells_memory, cells, blank_cell(con, 0));
	ansi_reset_style(&con->ansi);
	con->cursor = true;
	con->wanted = cells_memory;
	return 0;
}

void fbcon_write(struct fbcon *con, const char *text, size_t len)
{
	uint32_t codes[2];

	if (!con->wanted)
		return;
	hide_cursor(con);
	for (size_t i = 0; i < len; i++) {
		unsigned int count = utf8_feed(&con->utf8, text[i], codes);
		for (unsigned int k = 0; k < count; k++)
			feed(con, codes[k]);
	}
	show_cursor(con);
	draw_dirty(con);
}

void fbcon_redraw(struct fbcon *con)
{
	if (!con->wanted)
		return;
	fill(con->shown, (size_t)con->draw.cols * con->draw.rows, NEVER_SHOWN);
	mark_dirty(con, 0, con->draw.rows);
	draw_dirty(con);
}

/*
 * Reads the command line. A word that nobody knows is a mistake that somebody
 * should hear of, so it is named and counted, never dropped in silence.
 */
#include <kernel/bootword.h>
#include <lib/string.h>

#define WORD_MAX 256

extern const struct boot_word *const boot_words_start[], *const boot_words_end[];

static unsigned int bad;

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

static bool read_number(const char *text, uint64_t *number)
{
	unsigned int base = 10;

	if (text[0] == '0' && (text[1] | 0x20) == 'x') {
		base = 16;
		text += 2;
	}
	*number = 0;
	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned int digit = (unsigned int)digit_of(*text);

		if (digit >= base || __builtin_mul_overflow(*number, base, number) ||
		    __builtin_add_overflow(*number, digit, number))
			return false;
	}
	return true;
}

bool boot_word_number(const struct boot_word *word, const char *value)
{
	uint64_t number;

	if (!read_number(value, &number) || number < word->min || number > word->max)
		return false;
	*(uint64_t *)word->target = number;
	return true;
}

bool boot_word_text(const struct boot_word *word, const char *value)
{
	size_t length = strlen(value);

	if (!length || length >= word->max)
		return false;
	memcpy(word->target, value, length + 1);
	return true;
}

bool boot_word_choice(const struct boot_word *word, const char *value)
{
	for (unsigned int i = 0; word->choices[i]; i++) {
		if (strcmp(word->choices[i], value))
			continue;
		*(unsigned int *)word->target = i;
		return true;
	}
	return false;
}

static const struct boot_word *find(const char *name, size_t length)
{
	for (const struct boot_word *const *word = boot_words_start; word < boot_words_end;
	     word++) {
		if (strlen((*word)->name) == length && !strncmp((*word)->name, name, length))
			return *word;
	}
	return NULL;
}

/* Whether the word was understood; *help is that of the word, if it exists. */
static bool parse_word(const char *text, const char **help)
{
	const char *equals = strchr(text, '=');
	const struct boot_word *word = equals ? find(text, (size_t)(equals - text)) : NULL;

	*help = word ? word->help : NULL;
	return word && word->parse(word, equals + 1);
}

/* A line of a file ends in a newline. */
static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t word_length(const char *line)
{
	size_t length = 0;

	while (line[length] && !is_space(line[length]))
		length++;
	return length;
}

void boot_words_parse(const char *line, const char *source,
		      void (*complain)(const char *source, const char *word, const char *help))
{
	char text[WORD_MAX];

	while (*line) {
		size_t length = word_length(line);
		bool whole = length < WORD_MAX;
		size_t kept = whole ? length : WORD_MAX - 1;
		const char *help = "longer than any word may be";

		memcpy(text, line, kept);
		text[kept] = '\0';
		if (length && !(whole && parse_word(text, &help))) {
			bad++;
			complain(source, text, help);
		}
		line += length + is_space(line[length]);
	}
}

unsigned int boot_words_bad(void)
{
	return bad;
}

void boot_words_visit(void (*visit)(const struct boot_word *word))
{
	for (const struct boot_word *const *word = boot_words_start; word < boot_words_end; word++)
		visit(*word);
}

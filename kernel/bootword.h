/*
 * Words on the kernel's command line: name=value. Each is declared next to the
 * variable that it sets, in the file that uses it; the linker gathers them.
 */
#ifndef KERNEL_BOOTWORD_H
#define KERNEL_BOOTWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boot_word {
	const char *name, *help;
	/* Stores the value; returns whether it is a good one. */
	bool (*parse)(const struct boot_word *word, const char *value);
	void *target;
	uint64_t min, max;          /* of a number; max is also a text's size with its NUL */
	const char *const *choices; /* NULL-terminated; the target is an enum's value */
};

bool boot_word_number(const struct boot_word *word, const char *value);
bool boot_word_text(const struct boot_word *word, const char *value);
bool boot_word_choice(const struct boot_word *word, const char *value);

#define BOOT_WORD_DEFINE(word_name, ...) \
	static const struct boot_word boot_word_##word_name = { .name = #word_name, __VA_ARGS__ }; \
	static const struct boot_word *const boot_word_pointer_##word_name \
		__attribute__((used, section(".boot_words." #word_name))) = &boot_word_##word_name

/* A uint64_t between lowest and highest, decimal or 0x. */
#define BOOT_WORD_NUMBER(name, lowest, highest, variable, text) \
	BOOT_WORD_DEFINE(name, .help = text, .parse = boot_word_number, .target = &(variable), \
			 .min = lowest, .max = highest)

/* A char array. */
#define BOOT_WORD_TEXT(name, array, text) \
	BOOT_WORD_DEFINE(name, .help = text, .parse = boot_word_text, .target = array, \
			 .max = sizeof(array))

/* An enum whose values are the indices of the NULL-terminated list of words. */
#define BOOT_WORD_CHOICE(name, words, variable, text) \
	BOOT_WORD_DEFINE(name, .help = text, .parse = boot_word_choice, .target = &(variable), \
			 .choices = words)

/*
 * Reads a whole command line; a later word wins. Each word that is unknown, or has
 * a bad value, is handed to complain, with source as it is and the help of a word
 * that exists. Boot CPU, early.
 */
void boot_words_parse(const char *line, const char *source,
		      void (*complain)(const char *source, const char *word, const char *help));

/* How many words were unknown or had a bad value. */
unsigned int boot_words_bad(void);

/* In order of their names. */
void boot_words_visit(void (*visit)(const struct boot_word *word));

#endif

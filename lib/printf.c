/*
 * vsnprintf for a kernel: integers, characters and strings, nothing that could
 * fault or allocate, so that it may run inside an NMI.
 */
#include <lib/printf.h>
#include <lib/string.h>
#include <stdbool.h>
#include <stdint.h>

struct sink {
	char *buffer;
	size_t size;
	size_t length;
};

struct spec {
	bool left, zero, upper, is_signed, prefix;
	char sign; /* what stands before a number that is not negative, or NUL */
	int width, precision;
	int bytes; /* size of the integer argument */
	unsigned int base;
};

static void put(struct sink *sink, char c)
{
	if (sink->length + 1 < sink->size)
		sink->buffer[sink->length] = c;
	sink->length++;
}

static void pad(struct sink *sink, char c, int count)
{
	while (count-- > 0)
		put(sink, c);
}

static void put_text(struct sink *sink, const struct spec *spec, const char *text)
{
	size_t max = spec->precision < 0 ? SIZE_MAX : (size_t)spec->precision;
	int length;

	if (!text)
		text = "(null)";
	length = (int)strnlen(text, max);
	if (!spec->left)
		pad(sink, ' ', spec->width - length);
	for (int i = 0; i < length; i++)
		put(sink, text[i]);
	if (spec->left)
		pad(sink, ' ', spec->width - length);
}

static int digits_of(char *digits, uint64_t value, const struct spec *spec)
{
	const char *alphabet = spec->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	int count = 0;

	do {
		digits[count++] = alphabet[value % spec->base];
		value /= spec->base;
	} while (value);
	return count;
}

static void put_prefix(struct sink *sink)
{
	put(sink, '0');
	put(sink, 'x');
}

static void put_number(struct sink *sink, const struct spec *spec, uint64_t value, char sign)
{
	char digits[24];
	int count = digits_of(digits, value, spec);
	int zeros = spec->precision > count ? spec->precision - count : 0;
	bool prefix = spec->prefix && spec->base == 16;
	int length = count + zeros + (sign != 0) + 2 * prefix;

	if (spec->zero && !spec->left && spec->precision < 0 && spec->width > length) {
		zeros += spec->width - length;
		length = spec->width;
	}
	if (!spec->left)
		pad(sink, ' ', spec->width - length);
	if (sign)
		put(sink, sign);
	if (prefix)
		put_prefix(sink);
	pad(sink, '0', zeros);
	while (count--)
		put(sink, digits[count]);
	if (spec->left)
		pad(sink, ' ', spec->width - length);
}

static void put_integer(struct sink *sink, const struct spec *spec, uint64_t value)
{
	unsigned int unused_bits = 64 - 8 * spec->bytes;

	if (!spec->is_signed) {
		put_number(sink, spec, value << unused_bits >> unused_bits, 0);
		return;
	}
	int64_t number = (int64_t)(value << unused_bits) >> unused_bits;
	if (number < 0)
		put_number(sink, spec, -(uint64_t)number, '-');
	else
		put_number(sink, spec, (uint64_t)number, spec->sign);
}

static const char *parse_flags(const char *format, struct spec *spec)
{
	for (;; format++) {
		if (*format == '-')
			spec->left = true;
		else if (*format == '0')
			spec->zero = true;
		else if (*format == '#')
			spec->prefix = true;
		else if (*format == '+' || *format == ' ')
			spec->sign = *format;
		else
			return format;
	}
}

static const char *parse_count(const char *format, int *count, va_list *args)
{
	if (*format == '*') {
		*count = va_arg(*args, int);
		return format + 1;
	}
	*count = 0;
	while (*format >= '0' && *format <= '9')
		*count = *count * 10 + (*format++ - '0');
	return format;
}

static const char *parse_length(const char *format, struct spec *spec)
{
	spec->bytes = sizeof(int);
	for (;; format++) {
		if (*format == 'h')
			spec->bytes /= 2;
		else if (*format == 'l' || *format == 'z' || *format == 't')
			spec->bytes = sizeof(long);
		else
			return format;
	}
}

static const char *parse_spec(const char *format, struct spec *spec, va_list *args)
{
	*spec = (struct spec){ .precision = -1, .base = 10 };
	format = parse_flags(format, spec);
	format = parse_count(format, &spec->width, args);
	if (spec->width < 0) {
		spec->left = true;
		spec->width = -spec->width;
	}
	if (*format == '.')
		format = parse_count(format + 1, &spec->precision, args);
	return parse_length(format, spec);
}

static uint64_t next_integer(const struct spec *spec, va_list *args)
{
	return spec->bytes == sizeof(long) ? va_arg(*args, uint64_t) : va_arg(*args, uint32_t);
}

static void convert(struct sink *sink, struct spec *spec, char conversion, va_list *args)
{
	switch (conversion) {
	case 'd':
	case 'i':
		spec->is_signed = true;
		put_integer(sink, spec, next_integer(spec, args));
		return;
	case 'u':
		put_integer(sink, spec, next_integer(spec, args));
		return;
	case 'X':
		spec->upper = true;
		/* fall through */
	case 'x':
		spec->base = 16;
		put_integer(sink, spec, next_integer(spec, args));
		return;
	case 'p':
		spec->base = 16;
		spec->precision = 16;
		put_number(sink, spec, (uintptr_t)va_arg(*args, void *), 0);
		return;
	case 'c':
		put(sink, (char)va_arg(*args, int));
		return;
	case 's':
		put_text(sink, spec, va_arg(*args, const char *));
		return;
	default:
		put(sink, '%');
		if (conversion != '%')
			put(sink, conversion);
	}
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list args)
{
	struct sink sink = { .buffer = buffer, .size = size };
	struct spec spec;
	va_list cursor;

	va_copy(cursor, args);
	while (*format) {
		if (*format != '%') {
			put(&sink, *format++);
			continue;
		}
		format = parse_spec(format + 1, &spec, &cursor);
		if (!*format)
			break;
		convert(&sink, &spec, *format++, &cursor);
	}
	va_end(cursor);
	if (size)
		buffer[sink.length < size ? sink.length : size - 1] = '\0';
	return (int)sink.length;
}

int snprintf(char *buffer, size_t size, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(buffer, size, format, args);
	va_end(args);
	return length;
}

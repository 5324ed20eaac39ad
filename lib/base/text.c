/* text.c: strings that grow in an arena, and checks of strings. */
#include "base/text.h"

#include <stdarg.h>
#include <string.h>

#include "base/arena.h"

struct text
text_new(struct arena *arena, size_t capacity)
{
	struct text text = {.arena = arena, .capacity = capacity};

	text.data = arena_alloc(arena, capacity + 1);
	return text;
}

/* Makes room for `more` bytes and the NUL behind them. */
static void
text_reserve(struct text *text, size_t more)
{
	size_t wanted = text->length + more;
	char *grown;

	if (wanted <= text->capacity)
		return;
	wanted = wanted < 2 * text->capacity ? 2 * text->capacity : wanted;
	grown = arena_alloc(text->arena, wanted + 1);
	memcpy(grown, text->data, text->length);
	text->data = grown;
	text->capacity = wanted;
}

void
text_add_bytes(struct text *text, const char *bytes, size_t length)
{
	text_reserve(text, length);
	memcpy(text->data + text->length, bytes, length);
	text->length += length;
	text->data[text->length] = '\0';
}

void
text_add(struct text *text, const char *string)
{
	text_add_bytes(text, string, strlen(string));
}

void
text_add_char(struct text *text, char byte)
{
	text_add_bytes(text, &byte, 1);
}

void
text_add_int(struct text *text, int64_t number)
{
	char digits[24];
	size_t at = sizeof(digits);
	uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

	do
		digits[--at] = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (number < 0)
		digits[--at] = '-';
	text_add_bytes(text, digits + at, sizeof(digits) - at);
}

void
text_printf(struct text *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text_add(text, arena_vprintf(text->arena, format, arguments));
	va_end(arguments);
}

bool
text_equal(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

const char *
text_or_null(const char *string)
{
	return *string == '\0' ? NULL : string;
}

bool
text_starts_with(const char *string, const char *prefix)
{
	return strncmp(string, prefix, strlen(prefix)) == 0;
}

bool
text_parse_int(const char *string, int64_t *out)
{
	const char *digit = string;
	bool negative = *digit == '-';
	int64_t value = 0;

	digit += negative;
	if (*digit == '\0' || (*digit == '0' && (digit[1] != '\0' || negative)))
		return false;
	for (; *digit != '\0'; digit++) {
		int64_t units = *digit - '0';

		if (units < 0 || units > 9)
			return false;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_sub_overflow(value, units, &value))
			return false;
	}
	/* The value is negative, as INT64_MIN has no positive counterpart. */
	if (!negative && value == INT64_MIN)
		return false;
	*out = negative ? value : -value;
	return true;
}

bool
text_take_int(const char **cursor, char end, int64_t *out)
{
	const char *stop = strchr(*cursor, end);
	char number[24];
	size_t length = stop == NULL ? sizeof(number) : (size_t)(stop - *cursor);

	if (length >= sizeof(number))
		return false;
	memcpy(number, *cursor, length);
	number[length] = '\0';
	*cursor = stop + 1;
	return text_parse_int(number, out);
}

/* Length of the UTF-8 sequence at `bytes`, 0 when it is malformed (RFC 3629, section 4). */
static size_t
utf8_sequence(const unsigned char *bytes, size_t left)
{
	static const struct {
		unsigned char first_min, first_max, second_min, second_max;
		size_t length;
	} forms[] = {
	        {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2},
	        {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
	        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
	        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
	        {0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (bytes[0] < forms[i].first_min || bytes[0] > forms[i].first_max)
			continue;
		if (left < forms[i].length)
			return 0;
		if (forms[i].length > 1 &&
		    (bytes[1] < forms[i].second_min || bytes[1] > forms[i].second_max))
			return 0;
		for (size_t k = 2; k < forms[i].length; k++)
			if ((bytes[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

/* How many of the bytes are ASCII, up to the first eight with one that is not. */
static size_t
ascii_span(const char *bytes, size_t length)
{
	size_t span = 0;
	uint64_t eight;

	for (; length - span >= sizeof(eight); span += sizeof(eight)) {
		memcpy(&eight, bytes + span, sizeof(eight));
		if ((eight & 0x8080808080808080) != 0)
			break;
	}
	return span;
}

bool
text_is_utf8(const char *bytes, size_t length)
{
	size_t at = ascii_span(bytes, length);

	while (at < length) {
		size_t step = utf8_sequence((const unsigned char *)bytes + at, length - at);

		if (step == 0)
			return false;
		at += step;
	}
	return true;
}

bool
text_is_ascii(const char *string)
{
	for (; *string != '\0'; string++)
		if ((unsigned char)*string > 0x7f)
			return false;
	return true;
}

size_t
text_cut(const char *string, size_t max)
{
	size_t length = strnlen(string, max + 1);

	if (length <= max)
		return length;
	for (length = max; length > 0 && ((unsigned char)string[length] & 0xc0) == 0x80;)
		length--;
	return length;
}

size_t
text_mark(const char *bytes, size_t length)
{
	return length >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

bool
text_is_utf16(const char *bytes, size_t length)
{
	if (length >= 2 &&
	    (memcmp(bytes, "\xFF\xFE", 2) == 0 || memcmp(bytes, "\xFE\xFF", 2) == 0))
		return true;
	return length >= 4 && (bytes[0] == '\0') != (bytes[1] == '\0') &&
	       (bytes[0] == '\0') == (bytes[2] == '\0') &&
	       (bytes[1] == '\0') == (bytes[3] == '\0');
}

size_t
text_characters(const char *string)
{
	size_t count = 0;

	for (; *string != '\0'; string++)
		count += ((unsigned char)*string & 0xc0) != 0x80;
	return count;
}

char *
text_shortened(struct arena *arena, const char *string, size_t most)
{
	size_t length = strnlen(string, most + 1);

	if (length <= most)
		return arena_copy(arena, string);
	length = most;
	while (length > 0 && ((unsigned char)string[length] & 0xc0) == 0x80)
		length--;
	return arena_printf(arena, "%.*s...", (int)length, string);
}

bool
text_is_made_of(const char *string, const char *allowed, size_t min, size_t max)
{
	size_t length = strspn(string, allowed);

	return string[length] == '\0' && length >= min && length <= max;
}

bool
text_next_item(const char **cursor, const char **item, size_t *length)
{
	const char *start = *cursor + strspn(*cursor, ", \t");
	size_t span = strcspn(start, ",");

	*cursor = start + span;
	while (span > 0 && (start[span - 1] == ' ' || start[span - 1] == '\t'))
		span--;
	*item = start;
	*length = span;
	return span > 0;
}

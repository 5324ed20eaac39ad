/* text.h: strings that grow in an arena, and checks of strings. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

/* Text under construction. `data` is always NUL-terminated and lives in the arena. */
struct text {
	struct arena *arena;
	char *data;
	size_t length;
	size_t capacity;
};

/* An empty text with room for `capacity` bytes. */
struct text text_new(struct arena *arena, size_t capacity);

void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const char *bytes, size_t length);
void text_add_char(struct text *text, char byte);
void text_add_int(struct text *text, int64_t number);
void text_printf(struct text *text, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* Whether the texts have the same bytes, or both are NULL. */
bool text_equal(const char *a, const char *b);

bool text_starts_with(const char *string, const char *prefix);

/* NULL for an empty string, else the string. */
const char *text_or_null(const char *string);

/* The whole string is a decimal int64 without plus sign, spaces or leading zeros. */
bool text_parse_int(const char *string, int64_t *out);

/* Reads such a number up to the byte `end` and moves *cursor behind that byte. */
bool text_take_int(const char **cursor, char end, int64_t *out);

/* The bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool text_is_utf8(const char *bytes, size_t length);

/* The string has ASCII alone. */
bool text_is_ascii(const char *string);

/* The length of the string, or of as many whole characters as fit into `max` bytes. */
size_t text_cut(const char *string, size_t max);

/* The bytes of the byte order mark that editors on Windows put before UTF-8 text, 3 or 0. */
size_t text_mark(const char *bytes, size_t length);

/* The bytes are UTF-16: by its byte order mark, or as the first two characters are ASCII. */
bool text_is_utf16(const char *bytes, size_t length);

/* Unicode characters in well-formed UTF-8. */
size_t text_characters(const char *string);

/* A copy of UTF-8 text; a longer one is cut to at most `most` bytes and "..." at its end. */
char *text_shortened(struct arena *arena, const char *string, size_t most);

/* The string has only characters of `allowed`, and between `min` and `max` of them. */
bool text_is_made_of(const char *string, const char *allowed, size_t min, size_t max);

/* The next item of a comma-separated list: its length without surrounding blanks and its start;
 * moves *cursor behind it. False at the end. Empty items are skipped. */
bool text_next_item(const char **cursor, const char **item, size_t *length);

#define TEXT_HEX "0123456789abcdef"

/*
 * json_gate.c: json_in_gate(), a scanner that says whether text is acceptable JSON.
 *
 * It stands in front of json-c, which lets 15 of JSONTestSuite's 188 invalid texts pass and
 * takes the last of duplicate names. RFC 8259 is the grammar; on top come I-JSON's demands (RFC
 * 7493) and bounds that keep a hostile text cheap.
 */
#include "base/json_in.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"

enum {
	MEMBERS_MAX = 1024,         /* of one object; open objects are at most JSON_IN_DEPTH */
	NUMBER_MAX = 200,           /* bytes of one number */
	TEXT_MAX = 64 * 1024 * 1024 /* bytes in all; json-c counts in int */
};

/* A member's name with its escapes undone. */
struct name {
	const char *bytes;
	size_t length;
};

/* The names of the open objects lie behind each other: the innermost object's are on top. */
struct gate {
	struct arena *arena;
	const char *text;
	size_t length;
	size_t at;
	const char *why;
	struct name *names;
	size_t names_used;
	size_t names_capacity;
};

static bool scan_value(struct gate *gate, int depth);

static bool
refuse(struct gate *gate, const char *why)
{
	gate->why = why;
	return false;
}

/* The byte at the current place; at the end a NUL, which no grammar rule accepts. */
static char
peek(const struct gate *gate)
{
	return gate->at < gate->length ? gate->text[gate->at] : '\0';
}

static bool
accept(struct gate *gate, char byte)
{
	if (gate->at >= gate->length || gate->text[gate->at] != byte)
		return false;
	gate->at++;
	return true;
}

static void
skip_blanks(struct gate *gate)
{
	while (gate->at < gate->length && strchr(" \t\r\n", gate->text[gate->at]) &&
	       gate->text[gate->at] != '\0')
		gate->at++;
}

static bool
is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool
scan_literal(struct gate *gate, const char *literal)
{
	size_t length = strlen(literal);

	if (gate->length - gate->at < length ||
	    memcmp(gate->text + gate->at, literal, length) != 0)
		return refuse(gate, "a value is expected");
	gate->at += length;
	return true;
}

static bool
skip_digits(struct gate *gate)
{
	size_t start = gate->at;

	while (is_digit(peek(gate)))
		gate->at++;
	return gate->at > start;
}

/* An integer must fit int64; with a fraction or exponent the double must be finite. */
static bool
number_fits(const char *start, size_t length, bool integer)
{
	char copy[NUMBER_MAX + 1];
	int64_t whole;

	memcpy(copy, start, length);
	copy[length] = '\0';
	if (integer)
		return strcmp(copy, "-0") == 0 || text_parse_int(copy, &whole);
	return isfinite(strtod(copy, NULL));
}

static bool
scan_number(struct gate *gate)
{
	size_t start = gate->at;
	bool integer = true;

	accept(gate, '-');
	if (!accept(gate, '0') && !skip_digits(gate))
		return refuse(gate, "a digit is expected");
	if (is_digit(peek(gate)))
		return refuse(gate, "a number starts with a superfluous zero");
	if (accept(gate, '.')) {
		integer = false;
		if (!skip_digits(gate))
			return refuse(gate, "a digit is expected");
	}
	if (accept(gate, 'e') || accept(gate, 'E')) {
		integer = false;
		if (!accept(gate, '+'))
			accept(gate, '-');
		if (!skip_digits(gate))
			return refuse(gate, "a digit is expected");
	}
	if (gate->at - start > NUMBER_MAX)
		return refuse(gate, "a number is too long");
	if (!number_fits(gate->text + start, gate->at - start, integer))
		return refuse(gate, "a number is out of range");
	return true;
}

/* The four hex digits of a \u escape. */
static bool
scan_hex(struct gate *gate, uint32_t *out)
{
	*out = 0;
	for (int i = 0; i < 4; i++) {
		char digit = peek(gate);
		uint32_t value;

		if (is_digit(digit))
			value = (uint32_t)(digit - '0');
		else if (digit >= 'a' && digit <= 'f')
			value = (uint32_t)(digit - 'a' + 10);
		else if (digit >= 'A' && digit <= 'F')
			value = (uint32_t)(digit - 'A' + 10);
		else
			return refuse(gate, "an escape needs four hex digits");
		*out = *out << 4 | value;
		gate->at++;
	}
	return true;
}

/* The character of a \u escape, which may take two of them. */
static bool
scan_escaped_character(struct gate *gate, uint32_t *out)
{
	uint32_t low;

	if (!scan_hex(gate, out))
		return false;
	if (*out == 0)
		return refuse(gate, "a string holds a NUL");
	if (*out >= 0xdc00 && *out <= 0xdfff)
		return refuse(gate, "a string holds half a surrogate pair");
	if (*out < 0xd800 || *out > 0xdbff)
		return true;
	if (!accept(gate, '\\') || !accept(gate, 'u') || !scan_hex(gate, &low) ||
	    low < 0xdc00 || low > 0xdfff)
		return refuse(gate, "a string holds half a surrogate pair");
	*out = 0x10000 + ((*out - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

static void
add_utf8(struct text *text, uint32_t character)
{
	if (character < 0x80) {
		text_add_char(text, (char)character);
		return;
	}
	if (character < 0x800) {
		text_add_char(text, (char)(0xc0 | character >> 6));
	} else {
		if (character < 0x10000) {
			text_add_char(text, (char)(0xe0 | character >> 12));
		} else {
			text_add_char(text, (char)(0xf0 | character >> 18));
			text_add_char(text, (char)(0x80 | (character >> 12 & 63)));
		}
		text_add_char(text, (char)(0x80 | (character >> 6 & 63)));
	}
	text_add_char(text, (char)(0x80 | (character & 63)));
}

/* What follows a backslash; appended to `decoded` unless that is NULL. */
static bool
scan_escape(struct gate *gate, struct text *decoded)
{
	static const char escapes[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	char byte = peek(gate);
	const char *found = byte ? strchr(escapes, byte) : NULL;
	uint32_t character;

	if (found) {
		gate->at++;
		character = (uint32_t)meanings[found - escapes];
	} else if (accept(gate, 'u')) {
		if (!scan_escaped_character(gate, &character))
			return false;
	} else {
		return refuse(gate, "an unknown escape");
	}
	if (decoded)
		add_utf8(decoded, character);
	return true;
}

/* Moves over one unescaped character of a string. */
static bool
scan_character(struct gate *gate)
{
	unsigned char lead = (unsigned char)gate->text[gate->at];
	size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	if (lead < 0x20)
		return refuse(gate, "a string holds a control character");
	if (lead >= 0x80 &&
	    (gate->length - gate->at < length || !text_is_utf8(gate->text + gate->at, length)))
		return refuse(gate, "a string isn't well-formed UTF-8");
	gate->at += length;
	return true;
}

/* A string from its opening quote on; its content is appended to `decoded` unless that is NULL.
 */
static bool
scan_string(struct gate *gate, struct text *decoded)
{
	gate->at++;
	while (gate->at < gate->length) {
		size_t start = gate->at;

		if (accept(gate, '"'))
			return true;
		if (accept(gate, '\\')) {
			if (!scan_escape(gate, decoded))
				return false;
			continue;
		}
		if (!scan_character(gate))
			return false;
		if (decoded)
			text_add_bytes(decoded, gate->text + start, gate->at - start);
	}
	return refuse(gate, "a string doesn't end");
}

static void
push_name(struct gate *gate, struct name name)
{
	if (gate->names_used == gate->names_capacity) {
		size_t capacity = gate->names_capacity ? 2 * gate->names_capacity : 32;
		struct name *grown = arena_array(gate->arena, capacity, sizeof *grown);

		if (gate->names_used > 0)
			memcpy(grown, gate->names, gate->names_used * sizeof *grown);
		gate->names = grown;
		gate->names_capacity = capacity;
	}
	gate->names[gate->names_used++] = name;
}

/* Names are compared decoded: "a" and "\u0061" are the same one. */
static bool
scan_name(struct gate *gate)
{
	size_t start = gate->at;
	struct name name;

	if (peek(gate) != '"')
		return refuse(gate, "a name in quotes is expected");
	if (!scan_string(gate, NULL))
		return false;
	name = (struct name){gate->text + start + 1, gate->at - start - 2};
	if (memchr(name.bytes, '\\', name.length)) {
		struct text decoded = text_new(gate->arena, name.length + 1);

		gate->at = start;
		if (!scan_string(gate, &decoded))
			return false;
		name = (struct name){decoded.data, decoded.length};
	}
	push_name(gate, name);
	return true;
}

static int
compare_names(const void *a, const void *b)
{
	const struct name *left = a, *right = b;

	if (left->length != right->length)
		return left->length < right->length ? -1 : 1;
	return memcmp(left->bytes, right->bytes, left->length);
}

/* Sorted, duplicates are neighbours; unlike a hash table this can't be made slow on purpose. */
static bool
names_differ(struct gate *gate, size_t first)
{
	size_t count = gate->names_used - first;

	if (count < 2)
		return true;
	qsort(gate->names + first, count, sizeof *gate->names, compare_names);
	for (size_t i = first + 1; i < gate->names_used; i++)
		if (compare_names(&gate->names[i - 1], &gate->names[i]) == 0)
			return refuse(gate, "a name occurs twice in an object");
	return true;
}

static bool
scan_object(struct gate *gate, int depth)
{
	size_t first = gate->names_used;

	gate->at++;
	skip_blanks(gate);
	if (accept(gate, '}'))
		return true;
	do {
		if (gate->names_used - first == MEMBERS_MAX)
			return refuse(gate, "an object has too many members");
		skip_blanks(gate);
		if (!scan_name(gate))
			return false;
		skip_blanks(gate);
		if (!accept(gate, ':'))
			return refuse(gate, "a colon is expected");
		if (!scan_value(gate, depth))
			return false;
		skip_blanks(gate);
	} while (accept(gate, ','));
	if (!accept(gate, '}'))
		return refuse(gate, "a comma or a closing brace is expected");
	if (!names_differ(gate, first))
		return false;
	gate->names_used = first;
	return true;
}

static bool
scan_array(struct gate *gate, int depth)
{
	gate->at++;
	skip_blanks(gate);
	if (accept(gate, ']'))
		return true;
	do {
		if (!scan_value(gate, depth))
			return false;
		skip_blanks(gate);
	} while (accept(gate, ','));
	if (!accept(gate, ']'))
		return refuse(gate, "a comma or a closing bracket is expected");
	return true;
}

static bool
scan_value(struct gate *gate, int depth)
{
	skip_blanks(gate);
	switch (peek(gate)) {
	case '{':
	case '[':
		if (depth == JSON_IN_DEPTH)
			return refuse(gate, "too many levels");
		return peek(gate) == '{' ? scan_object(gate, depth + 1)
		                         : scan_array(gate, depth + 1);
	case '"':
		return scan_string(gate, NULL);
	case 't':
		return scan_literal(gate, "true");
	case 'f':
		return scan_literal(gate, "false");
	case 'n':
		return scan_literal(gate, "null");
	default:
		if (peek(gate) == '-' || is_digit(peek(gate)))
			return scan_number(gate);
		return refuse(gate, "a value is expected");
	}
}

const char *
json_in_gate(struct arena *arena, const char *text, size_t length, size_t *offset)
{
	struct gate gate = {.arena = arena, .text = text, .length = length};

	if (length > TEXT_MAX) {
		gate.why = "it is too long";
	} else if (scan_value(&gate, 0)) {
		skip_blanks(&gate);
		if (gate.at != length)
			gate.why = "something follows the value";
	}
	*offset = gate.at;
	return gate.why;
}

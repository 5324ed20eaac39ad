/* scan.c: numbers, strings and literals by RFC 8259, with I-JSON's demands (RFC 7493): no
 * NUL, no half surrogate pairs, well-formed UTF-8, numbers that a reader can hold. */
#include "json/scan.h"

#include <endian.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum {
	NUMBER_MAX = 200,    /* bytes of one number */
	REPLACEMENT = 0xfffd /* the character for what is none */
};

bool
json_scan_refuse(struct json_scan *scan, const char *why)
{
	scan->why = why;
	return false;
}

static bool
is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

bool
json_scan_literal(struct json_scan *scan, const char *literal)
{
	size_t length = strlen(literal);

	if (scan->length - scan->at < length ||
	    memcmp(scan->text + scan->at, literal, length) != 0)
		return json_scan_refuse(scan, "a value is expected");
	scan->at += length;
	return true;
}

static bool
skip_digits(struct json_scan *scan)
{
	size_t start = scan->at;

	while (is_digit(json_scan_peek(scan)))
		scan->at++;
	return scan->at > start;
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

bool
json_scan_number(struct json_scan *scan)
{
	size_t start = scan->at;
	bool integer = true;

	json_scan_accept(scan, '-');
	if (!json_scan_accept(scan, '0') && !skip_digits(scan))
		return json_scan_refuse(scan, "a value is expected");
	if (is_digit(json_scan_peek(scan)))
		return json_scan_refuse(scan, "a number starts with a superfluous zero");
	if (json_scan_accept(scan, '.')) {
		integer = false;
		if (!skip_digits(scan))
			return json_scan_refuse(scan, "a digit is expected");
	}
	if (json_scan_accept(scan, 'e') || json_scan_accept(scan, 'E')) {
		integer = false;
		if (!json_scan_accept(scan, '+'))
			json_scan_accept(scan, '-');
		if (!skip_digits(scan))
			return json_scan_refuse(scan, "a digit is expected");
	}
	if (scan->foreign || scan->any_number)
		return true;
	if (scan->at - start > NUMBER_MAX)
		return json_scan_refuse(scan, "a number is too long");
	if (!number_fits(scan->text + start, scan->at - start, integer))
		return json_scan_refuse(scan, "a number is out of range");
	return true;
}

/* The four hex digits of a \u escape. */
static bool
scan_hex(struct json_scan *scan, uint32_t *out)
{
	*out = 0;
	for (int i = 0; i < 4; i++) {
		char digit = json_scan_peek(scan);
		uint32_t value;

		if (is_digit(digit))
			value = (uint32_t)(digit - '0');
		else if (digit >= 'a' && digit <= 'f')
			value = (uint32_t)(digit - 'a' + 10);
		else if (digit >= 'A' && digit <= 'F')
			value = (uint32_t)(digit - 'A' + 10);
		else
			return json_scan_refuse(scan, "an escape needs four hex digits");
		*out = *out << 4 | value;
		scan->at++;
	}
	return true;
}

/* The other half of a surrogate pair; does not move when what follows is none. */
static bool
scan_low_surrogate(struct json_scan *scan, uint32_t *out)
{
	size_t start = scan->at;

	if (json_scan_accept(scan, '\\') && json_scan_accept(scan, 'u') &&
	    scan_hex(scan, out) && *out >= 0xdc00 && *out <= 0xdfff)
		return true;
	scan->at = start;
	return false;
}

/* The character of a \u escape, which may take two of them. */
static bool
scan_escaped_character(struct json_scan *scan, uint32_t *out)
{
	uint32_t low;

	if (!scan_hex(scan, out))
		return false;
	if (*out == 0 && !scan->foreign)
		return json_scan_refuse(scan, "a string holds a NUL");
	if (*out < 0xd800 || *out > 0xdfff)
		return true;
	if (*out < 0xdc00 && scan_low_surrogate(scan, &low)) {
		*out = 0x10000 + ((*out - 0xd800) << 10) + (low - 0xdc00);
		return true;
	}
	if (!scan->foreign)
		return json_scan_refuse(scan, "a string holds half a surrogate pair");
	*out = REPLACEMENT;
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

/* Reads the escape behind a backslash; appended to `decoded` unless that is NULL. */
static bool
scan_escape(struct json_scan *scan, struct text *decoded)
{
	static const char escapes[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	char byte = json_scan_peek(scan);
	const char *found = byte ? strchr(escapes, byte) : NULL;
	uint32_t character;

	if (found) {
		scan->at++;
		character = (uint32_t)meanings[found - escapes];
	} else if (json_scan_accept(scan, 'u')) {
		if (!scan_escaped_character(scan, &character))
			return false;
	} else {
		return json_scan_refuse(scan, "an unknown escape");
	}
	if (decoded)
		add_utf8(decoded, character);
	return true;
}

/* Moves over one unescaped character of a string. */
static bool
scan_character(struct json_scan *scan)
{
	unsigned char lead = (unsigned char)scan->text[scan->at];
	size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	if (lead < 0x20)
		return json_scan_refuse(scan, "a string holds a control character");
	if (lead >= 0x80 &&
	    (scan->length - scan->at < length || !text_is_utf8(scan->text + scan->at, length)))
		return json_scan_refuse(scan, "a string isn't well-formed UTF-8");
	scan->at += length;
	return true;
}

/* Eight bytes at once: the highest bit of a byte says that it is no plain one, exactly up to the
 * first of those. Plain are ASCII's printable characters but quote and backslash. */
static uint64_t
marks(uint64_t eight)
{
	const uint64_t ones = 0x0101010101010101, high = 0x80 * ones;
	uint64_t quotes = eight ^ ('"' * ones), escapes = eight ^ ('\\' * ones);

	return (eight | ((eight - 0x20 * ones) & ~eight) | ((quotes - ones) & ~quotes) |
	        ((escapes - ones) & ~escapes)) &
	       high;
}

/* How many plain bytes come first. */
static size_t
plain_span(const char *bytes, size_t length)
{
	size_t span = 0;
	uint64_t eight;

	for (; length - span >= sizeof(eight); span += sizeof(eight)) {
		memcpy(&eight, bytes + span, sizeof(eight));
		eight = marks(le64toh(eight));
		if (eight != 0)
			return span + (size_t)__builtin_ctzll(eight) / 8;
	}
	while (span < length && (unsigned char)bytes[span] < 0x80 && bytes[span] >= 0x20 &&
	       bytes[span] != '"' && bytes[span] != '\\')
		span++;
	return span;
}

/* A string from its opening quote on; its content is appended to `decoded` unless that is NULL.
 */
bool
json_scan_string(struct json_scan *scan, struct text *decoded)
{
	scan->at++;
	while (scan->at < scan->length) {
		size_t start = scan->at;

		if (json_scan_accept(scan, '"'))
			return true;
		if (json_scan_accept(scan, '\\')) {
			if (!scan_escape(scan, decoded))
				return false;
			continue;
		}
		scan->at += plain_span(scan->text + start, scan->length - start);
		if (scan->at == start && !scan_character(scan))
			return false;
		if (decoded)
			text_add_bytes(decoded, scan->text + start, scan->at - start);
	}
	return json_scan_refuse(scan, "a string doesn't end");
}

/*
 * scan.h: checks JSON's scalars in place; gate.c checks the structure.
 *
 * Each function moves `at` over what it accepts, or sets `why` and returns false.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct text;

/* A place in a text. `why` is NULL until something is refused there. Strict text meets I-JSON's
 * demands (RFC 7493); `foreign` text may have all that RFC 8259 allows: numbers of any size, and in
 * strings NUL and lone surrogates, which are read as U+FFFD. With `any_number`, strict text may have
 * numbers of any size, too. */
struct json_scan {
	const char *text;
	size_t length;
	size_t at;
	const char *why;
	bool foreign;
	bool any_number;
};

/* Records the reason; always false, so that callers can `return json_scan_refuse(...)`. */
bool json_scan_refuse(struct json_scan *scan, const char *why);

/* The byte at the place; at the end a NUL, which no rule of the grammar accepts. */
static inline char
json_scan_peek(const struct json_scan *scan)
{
	return scan->at < scan->length ? scan->text[scan->at] : '\0';
}

/* Moves over the byte if it is there; never sets `why`. */
static inline bool
json_scan_accept(struct json_scan *scan, char byte)
{
	if (scan->at >= scan->length || scan->text[scan->at] != byte)
		return false;
	scan->at++;
	return true;
}

static inline bool
json_scan_is_blank(char byte)
{
	return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static inline void
json_scan_blanks(struct json_scan *scan)
{
	while (scan->at < scan->length && json_scan_is_blank(scan->text[scan->at]))
		scan->at++;
}

/* `true`, `false` or `null`. */
bool json_scan_literal(struct json_scan *scan, const char *literal);

/* An integer that fits int64, or a fraction or power that is a finite double; any if foreign or with
 * `any_number`. */
bool json_scan_number(struct json_scan *scan);

/* A string from its opening quote on. Its content, escapes undone, is appended to `decoded`
 * unless that is NULL. */
bool json_scan_string(struct json_scan *scan, struct text *decoded);

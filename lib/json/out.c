/* out.c: writes JSON text straight into an arena. */
#include "json/out.h"

#include <stdio.h>
#include <string.h>

struct json_out
json_out_new(struct arena *arena, size_t capacity)
{
	return (struct json_out){.text = text_new(arena, capacity)};
}

/* The bytes from `at` that need no escape; well-formed UTF-8 passes as it is. */
static size_t
plain_span(const char *at)
{
	const char *start = at;

	while ((unsigned char)*at >= 0x20 && *at != '"' && *at != '\\')
		at++;
	return (size_t)(at - start);
}

static void
add_escaped(struct text *text, unsigned char byte)
{
	static const char shorthand[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	char escape[8];

	for (size_t i = 0; shorthand[i] != '\0'; i += 2) {
		if ((unsigned char)shorthand[i] != byte)
			continue;
		text_add_char(text, '\\');
		text_add_char(text, shorthand[i + 1]);
		return;
	}
	(void)snprintf(escape, sizeof(escape), "\\u%04x", byte);
	text_add(text, escape);
}

/* Whether the string is printable ASCII that needs no escape, as most are; and its length. */
static bool
is_plain(const char *string, size_t *length)
{
	const char *at = string;

	while ((signed char)*at >= 0x20 && *at != '"' && *at != '\\')
		at++;
	*length = (size_t)(at - string);
	return *at == '\0';
}

void
json_out_quote(struct text *text, const char *string)
{
	size_t length;

	if (is_plain(string, &length)) {
		text_add_char(text, '"');
		text_add_bytes(text, string, length);
		text_add_char(text, '"');
		return;
	}
	/* Strings come from the gate or from a UTF-8 database; what does not is not passed on.
	 */
	if (!text_is_utf8(string, strlen(string)))
		string = "\xef\xbf\xbd";
	text_add_char(text, '"');
	while (*string != '\0') {
		size_t span = plain_span(string);

		text_add_bytes(text, string, span);
		string += span;
		if (*string != '\0')
			add_escaped(text, (unsigned char)*string++);
	}
	text_add_char(text, '"');
}

/* The comma before and the name of a value. */
static void
begin_value(struct json_out *json, const char *name)
{
	if (json->comma)
		text_add_char(&json->text, ',');
	json->comma = true;
	if (name == NULL)
		return;
	json_out_quote(&json->text, name);
	text_add_char(&json->text, ':');
}

void
json_out_open(struct json_out *json, const char *name, char bracket)
{
	begin_value(json, name);
	text_add_char(&json->text, bracket);
	json->comma = false;
}

void
json_out_close(struct json_out *json, char bracket)
{
	text_add_char(&json->text, bracket);
	json->comma = true;
}

void
json_out_raw(struct json_out *json, const char *name, const char *value)
{
	begin_value(json, name);
	text_add(&json->text, value);
}

void
json_out_null(struct json_out *json, const char *name)
{
	json_out_raw(json, name, "null");
}

void
json_out_string(struct json_out *json, const char *name, const char *value)
{
	if (value == NULL) {
		json_out_null(json, name);
		return;
	}
	begin_value(json, name);
	json_out_quote(&json->text, value);
}

void
json_out_int(struct json_out *json, const char *name, int64_t value)
{
	begin_value(json, name);
	text_add_int(&json->text, value);
}

void
json_out_bool(struct json_out *json, const char *name, bool value)
{
	json_out_raw(json, name, value ? "true" : "false");
}

void
json_out_time(struct json_out *json, const char *name, struct instant value)
{
	char time[CLOCK_TEXT_SIZE];

	if (value.known)
		clock_format(value.ms, time);
	json_out_string(json, name, value.known ? time : NULL);
}

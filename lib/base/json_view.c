/*
 * json_view.c: reads values where they stand in a text that has passed the gate.
 */
#include "base/json_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json_in.h"
#include "base/json_scan.h"
#include "base/text.h"

enum fail
json_view_open(struct task *task, const char *text, size_t length, struct json_view *out)
{
	size_t blanks = 0, offset = 0;
	const char *why = json_in_gate(task->arena, text, length, &offset);

	if (why)
		return task_fail(task, FAIL_INVALID, "invalid_json",
		                 "This isn't acceptable JSON: %s (at byte %zu).", why, offset);
	while (blanks < length && strchr(" \t\r\n", text[blanks]) != NULL)
		blanks++;
	*out = (struct json_view){task->arena, text + blanks, length - blanks};
	if (!json_view_is_object(out))
		return task_fail(task, FAIL_INVALID, "invalid_json",
		                 "This isn't acceptable JSON: an object is expected.");
	return FAIL_NONE;
}

bool
json_view_try(struct arena *arena, const char *text, size_t length, struct json_view *out)
{
	struct task attempt = {.arena = arena};

	return json_view_open(&attempt, text, length, out) == FAIL_NONE;
}

struct json_view
json_view_wanted(struct arena *arena, const char *text, size_t length,
                 const struct json_wanted *wanted)
{
	if (wanted->at == 0)
		return (struct json_view){.arena = arena};
	return (struct json_view){arena, text + wanted->at, length - wanted->at};
}

/* What the strict gate lets pass reads the same by the laxer rules. */
static struct json_scan
scan_of(const struct json_view *value)
{
	return (struct json_scan){
	        .text = value->text, .length = value->length, .foreign = true};
}

/* The value that the scan stands before. */
static struct json_view
view_at(const struct json_view *within, const struct json_scan *scan)
{
	return (struct json_view){within->arena, scan->text + scan->at,
	                          scan->length - scan->at};
}

static bool
begins_with(const struct json_view *value, char byte)
{
	return value->length > 0 && *value->text == byte;
}

bool
json_view_is_object(const struct json_view *value)
{
	return begins_with(value, '{');
}

bool
json_view_is_list(const struct json_view *value)
{
	return begins_with(value, '[');
}

bool
json_view_is_null(const struct json_view *value)
{
	return begins_with(value, 'n');
}

/* The name that the scan stands before is this one; moves over it. */
static bool
name_is(struct json_scan *scan, struct arena *arena, const char *name)
{
	size_t start = scan->at + 1, length;
	struct text decoded;

	(void)json_scan_string(scan, NULL);
	length = scan->at - 1 - start;
	if (!memchr(scan->text + start, '\\', length))
		return strlen(name) == length && memcmp(scan->text + start, name, length) == 0;
	decoded = text_new(arena, length);
	scan->at = start - 1;
	(void)json_scan_string(scan, &decoded);
	return strcmp(decoded.data, name) == 0;
}

/* To the value of the member of that name, or past all of them; counts those it passed. */
static bool
walk_members(const struct json_view *object, const char *name, struct json_view *out,
             size_t *passed)
{
	struct json_scan scan = scan_of(object);
	bool more = json_scan_accept(&scan, '{');

	*passed = 0;
	json_scan_blanks(&scan);
	more = more && json_scan_peek(&scan) == '"';
	while (more) {
		bool same;

		json_scan_blanks(&scan);
		if (name)
			same = name_is(&scan, object->arena, name);
		else
			same = !json_scan_string(&scan, NULL);
		json_scan_blanks(&scan);
		(void)json_scan_accept(&scan, ':');
		json_scan_blanks(&scan);
		if (same) {
			*out = view_at(object, &scan);
			return true;
		}
		json_scan_skip_value(&scan);
		more = json_scan_accept(&scan, ',');
		++*passed;
	}
	return false;
}

bool
json_view_member(const struct json_view *object, const char *name, struct json_view *out)
{
	size_t passed;

	return walk_members(object, name, out, &passed);
}

size_t
json_view_members(const struct json_view *object)
{
	struct json_view none;
	size_t passed;

	(void)walk_members(object, NULL, &none, &passed);
	return passed;
}

bool
json_view_text(const struct json_view *value, const char **out)
{
	struct json_scan scan = scan_of(value), measure = scan;
	struct text decoded;

	if (!begins_with(value, '"'))
		return false;
	(void)json_scan_string(&measure, NULL);
	decoded = text_new(value->arena, measure.at);
	(void)json_scan_string(&scan, &decoded);
	*out = decoded.data;
	return true;
}

bool
json_view_string(const struct json_view *object, const char *name, const char **out)
{
	struct json_view member;

	return json_view_member(object, name, &member) && json_view_text(&member, out);
}

bool
json_view_number(const struct json_view *value, int64_t *out)
{
	char digits[24];
	size_t length = 0;
	int64_t number;

	/* The text need not end with a NUL, so nothing may look for one. */
	while (length < value->length && strchr("+-.0123456789eE", value->text[length]) &&
	       value->text[length] != '\0')
		length++;
	if (length == 0 || length >= sizeof digits || memchr(value->text, '.', length) ||
	    memchr(value->text, 'e', length) || memchr(value->text, 'E', length))
		return false;
	memcpy(digits, value->text, length);
	digits[length] = '\0';
	errno = 0;
	number = strtoll(digits, NULL, 10);
	if (errno != 0)
		return false;
	*out = number;
	return true;
}

bool
json_view_int(const struct json_view *object, const char *name, int64_t *out)
{
	struct json_view member;

	return json_view_member(object, name, &member) && json_view_number(&member, out);
}

/* From a name to its value. */
static bool
enter_value(const struct json_view *within, struct json_scan *scan, const char **name,
            struct json_view *value)
{
	struct json_view text;

	json_scan_blanks(scan);
	text = view_at(within, scan);
	if (!json_view_text(&text, name))
		return false;
	(void)json_scan_string(scan, NULL);
	json_scan_blanks(scan);
	(void)json_scan_accept(scan, ':');
	json_scan_blanks(scan);
	*value = view_at(within, scan);
	return true;
}

bool
json_view_first_member(const struct json_view *object, const char **name,
                       struct json_view *value)
{
	struct json_scan scan = scan_of(object);

	return json_scan_accept(&scan, '{') && enter_value(object, &scan, name, value);
}

bool
json_view_next_member(const char **name, struct json_view *value)
{
	struct json_scan scan = scan_of(value);

	json_scan_skip_value(&scan);
	return json_scan_accept(&scan, ',') && enter_value(value, &scan, name, value);
}

bool
json_view_truth(const struct json_view *value, bool *out)
{
	if (!begins_with(value, 't') && !begins_with(value, 'f'))
		return false;
	*out = *value->text == 't';
	return true;
}

bool
json_view_bool(const struct json_view *object, const char *name, bool *out)
{
	struct json_view member;

	return json_view_member(object, name, &member) && json_view_truth(&member, out);
}

bool
json_view_object(const struct json_view *object, const char *name, struct json_view *out)
{
	return json_view_member(object, name, out) && json_view_is_object(out);
}

bool
json_view_first(const struct json_view *list, struct json_view *item)
{
	struct json_scan scan = scan_of(list);

	if (!json_scan_accept(&scan, '['))
		return false;
	json_scan_blanks(&scan);
	*item = view_at(list, &scan);
	return json_scan_peek(&scan) != ']';
}

bool
json_view_next(struct json_view *item)
{
	struct json_scan scan = scan_of(item);

	json_scan_skip_value(&scan);
	if (!json_scan_accept(&scan, ','))
		return false;
	json_scan_blanks(&scan);
	*item = view_at(item, &scan);
	return true;
}

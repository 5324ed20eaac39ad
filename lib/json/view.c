/* view.c: reads values where they stand in a text that gate.c has indexed. */
#include "json/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "json/scan.h"

bool
json_view_read(struct arena *arena, const char *text, size_t length, struct json_view *out,
               struct json_refusal *refusal)
{
	*out = (struct json_view){arena, text,
	                          json_gate(arena, text, length, JSON_STRICT, refusal)};
	return out->node != NULL;
}

bool
json_view_read_foreign(struct arena *arena, const char *text, size_t length,
                       struct json_view *out)
{
	struct json_refusal refusal;

	*out = (struct json_view){.arena = arena, .text = text};
	if (text != NULL)
		out->node = json_gate(arena, text, length, JSON_FOREIGN, &refusal);
	return out->node != NULL;
}

static enum fail
open_object(struct task *task, const char *text, size_t length, enum json_rules rules,
            struct json_view *out)
{
	struct json_refusal refusal;

	*out = (struct json_view){task->arena, text,
	                          json_gate(task->arena, text, length, rules, &refusal)};
	if (out->node == NULL) {
		(void)task_fail(task, FAIL_INVALID, "invalid_json",
		                "This isn't acceptable JSON: %s (at byte %zu).", refusal.why,
		                refusal.offset);
		if (refusal.repeated != NULL)
			(void)task_fail_field(task, refusal.repeated, "is given twice");
		return task->failure.kind;
	}
	if (!json_view_is_object(out))
		return task_fail(task, FAIL_INVALID, "invalid_json",
		                 "This isn't acceptable JSON: an object is expected.");
	return FAIL_NONE;
}

enum fail
json_view_open(struct task *task, const char *text, size_t length, struct json_view *out)
{
	return open_object(task, text, length, JSON_STRICT, out);
}

enum fail
json_view_open_body(struct task *task, const char *text, size_t length, struct json_view *out)
{
	return open_object(task, text, length, JSON_BODY, out);
}

bool
json_view_try(struct arena *arena, const char *text, size_t length, struct json_view *out)
{
	struct task attempt = {.arena = arena};

	if (json_view_open(&attempt, text, length, out) != FAIL_NONE)
		out->node = NULL;
	return out->node != NULL;
}

/* The first byte tells the type. */
static bool
begins_with(const struct json_view *value, char byte)
{
	return value->node != NULL && value->text[value->node->at] == byte;
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

/* The string of a node with its escapes undone. */
static const char *
decode(struct arena *arena, const char *text, const struct json_node *node)
{
	/* Text that passed the strict gate reads the same by the laxer rules. */
	struct json_scan scan = {.text = text,
	                         .length = (size_t)node->at + node->length,
	                         .at = node->at,
	                         .foreign = true};
	size_t length = node->length - 2;
	struct text decoded;

	if (memchr(text + node->at + 1, '\\', length) == NULL)
		return arena_copy_bytes(arena, text + node->at + 1, length);
	decoded = text_new(arena, length);
	(void)json_scan_string(&scan, &decoded);
	return decoded.data;
}

bool
json_view_text(const struct json_view *value, const char **out)
{
	if (!begins_with(value, '"'))
		return false;
	*out = decode(value->arena, value->text, value->node);
	return true;
}

bool
json_view_number(const struct json_view *value, int64_t *out)
{
	char digits[24], *end;
	int64_t number;

	if (value->node == NULL || value->node->length >= sizeof(digits))
		return false;
	memcpy(digits, value->text + value->node->at, value->node->length);
	digits[value->node->length] = '\0';
	errno = 0;
	number = strtoll(digits, &end, 10);
	if (errno != 0 || *end != '\0')
		return false;
	*out = number;
	return true;
}

bool
json_view_double(const struct json_view *value, double *out)
{
	if (value->node == NULL || strchr("-0123456789", value->text[value->node->at]) == NULL)
		return false;
	*out = strtod(json_view_source(value), NULL);
	return true;
}

bool
json_view_truth(const struct json_view *value, bool *out)
{
	if (!begins_with(value, 't') && !begins_with(value, 'f'))
		return false;
	*out = begins_with(value, 't');
	return true;
}

const char *
json_view_source(const struct json_view *value)
{
	return arena_copy_bytes(value->arena, value->text + value->node->at,
	                        value->node->length);
}

/* An escaped name is longer than what it means. */
static bool
name_is(const struct json_view *object, const struct json_node *node, const char *name,
        size_t length)
{
	const char *bytes = object->text + node->at + 1;
	size_t given = node->length - 2;

	if (given < length || (given == length && memcmp(bytes, name, length) != 0))
		return false;
	if (memchr(bytes, '\\', given) == NULL)
		return given == length;
	bytes = decode(object->arena, object->text, node);
	return strlen(bytes) == length && memcmp(bytes, name, length) == 0;
}

static bool
find_member(const struct json_view *object, const char *name, size_t length,
            struct json_view *out)
{
	const struct json_node *node = object->node, *found = NULL;
	size_t left = 0;

	if (json_view_is_object(object))
		left = node++->count;
	for (; left > 0; left--, node += node->next)
		if (name_is(object, node, name, length))
			found = node + 1;
	*out = (struct json_view){object->arena, object->text, found};
	return found != NULL;
}

bool
json_view_member(const struct json_view *object, const char *name, struct json_view *out)
{
	return find_member(object, name, strlen(name), out);
}

bool
json_view_string(const struct json_view *object, const char *name, const char **out)
{
	struct json_view member;

	return json_view_member(object, name, &member) && json_view_text(&member, out);
}

bool
json_view_int(const struct json_view *object, const char *name, int64_t *out)
{
	struct json_view member;

	return json_view_member(object, name, &member) && json_view_number(&member, out);
}

bool
json_view_bool(const struct json_view *object, const char *name, bool *out)
{
	struct json_view member;

	return json_view_member(object, name, &member) && json_view_truth(&member, out);
}

/* The member if it begins with that byte, else none. */
static bool
member_beginning_with(const struct json_view *object, const char *name, char byte,
                      struct json_view *out)
{
	if (json_view_member(object, name, out) && begins_with(out, byte))
		return true;
	out->node = NULL;
	return false;
}

bool
json_view_object(const struct json_view *object, const char *name, struct json_view *out)
{
	return member_beginning_with(object, name, '{', out);
}

bool
json_view_list(const struct json_view *object, const char *name, struct json_view *out)
{
	return member_beginning_with(object, name, '[', out);
}

/* The item of a list at that index. */
static bool
item_at(const struct json_view *list, size_t index, struct json_view *out)
{
	bool more = json_view_first(list, out);

	for (; more && index > 0; index--)
		more = json_view_next(out);
	return more;
}

struct json_view
json_view_follow(const struct json_view *value, const char **path)
{
	struct json_view out = *value, step;

	while (**path != '\0') {
		size_t span = strcspn(*path, ".[");
		bool found;

		if (**path == '[') {
			found = item_at(&out, strtoul(*path + 1, NULL, 10), &step);
			span = strcspn(*path, "]");
			span += (*path)[span] == ']';
		} else {
			found = find_member(&out, *path, span, &step);
		}
		if (!found)
			break;
		out = step;
		*path += span;
		*path += **path == '.';
	}
	return out;
}

bool
json_view_find(const struct json_view *value, const char *path, struct json_view *out)
{
	*out = json_view_follow(value, &path);
	if (*path != '\0')
		out->node = NULL;
	return out->node != NULL;
}

size_t
json_view_count(const struct json_view *value)
{
	return value->node == NULL ? 0 : value->node->count;
}

/* Enters the member whose name is that node. */
static void
enter_member(struct json_view *value, const struct json_node *node, const char **name)
{
	*name = decode(value->arena, value->text, node);
	value->node = node + 1;
}

bool
json_view_first_member(const struct json_view *object, const char **name,
                       struct json_view *value)
{
	if (!json_view_is_object(object) || object->node->count == 0)
		return false;
	*value = *object;
	enter_member(value, object->node + 1, name);
	return true;
}

bool
json_view_next_member(const char **name, struct json_view *value)
{
	const struct json_node *node = value->node - 1;

	if (node->next == 0)
		return false;
	enter_member(value, node + node->next, name);
	return true;
}

bool
json_view_first(const struct json_view *list, struct json_view *item)
{
	if (!json_view_is_list(list) || list->node->count == 0)
		return false;
	*item = (struct json_view){list->arena, list->text, list->node + 1};
	return true;
}

bool
json_view_next(struct json_view *item)
{
	if (item->node->next == 0)
		return false;
	item->node += item->node->next;
	return true;
}

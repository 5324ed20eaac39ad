/* render.c: each resource as JSON, the same wherever it appears. */
#include "api/render.h"

#include <string.h>

#include "base/text.h"

struct json_out
answer_begin(const struct call *call, size_t capacity)
{
	struct json_out json = json_out_new(call->operation.task->arena, capacity);

	json_out_open(&json, NULL, '{');
	return json;
}

enum fail
answer_end(struct call *call, int status, struct json_out *json)
{
	json_out_close(json, '}');
	response_json(call->response, status, json);
	return FAIL_NONE;
}

enum fail
answer_page(struct call *call, struct json_out *json, const struct page *page)
{
	json_out_int(json, "limit", page->limit);
	json_out_string(json, "next_cursor", page->next);
	return answer_end(call, 200, json);
}

enum fail
answer_message(struct call *call, const char *message, const char *name, const char *id)
{
	struct json_out json = answer_begin(call, 256);

	json_out_string(&json, "message", message);
	json_out_string(&json, name, id);
	return answer_end(call, 200, &json);
}

/* A name of plans.json as the answers spell it: "maxDevices" is "max_devices". Different names stay
 * different. */
static const char *
snake_case(struct arena *arena, const char *name)
{
	struct text out = text_new(arena, (size_t)2 * VALUE_NAME_MAX);

	for (const char *at = name; *at != '\0'; at++) {
		if (*at >= 'A' && *at <= 'Z') {
			text_add_char(&out, '_');
			text_add_char(&out, (char)(*at - 'A' + 'a'));
		} else {
			text_add_char(&out, *at);
		}
	}
	return out.data;
}

void
render_values(struct json_out *json, enum value_kind kind, const struct license_values *values)
{
	json_out_open(json, value_kind_name(kind), '{');
	for (size_t i = 0; i < values->count; i++)
		value_write(json, snake_case(json->text.arena, values->items[i].name),
		            &values->items[i]);
	json_out_close(json, '}');
}

/* RFC 9110, section 13.1.2: "*" or a list with the tag in it; weak comparison. */
static bool
has_tag(const char *if_none_match, const char *tag)
{
	const char *item;
	size_t length;

	if (if_none_match == NULL)
		return false;
	while (text_next_item(&if_none_match, &item, &length)) {
		if (length == 1 && *item == '*')
			return true;
		if (length > 2 && strncmp(item, "W/", 2) == 0) {
			item += 2;
			length -= 2;
		}
		if (length == strlen(tag) && strncmp(item, tag, length) == 0)
			return true;
	}
	return false;
}

bool
answer_not_modified(struct call *call, const char *tag, const char *cache_control)
{
	response_header(call->response, "ETag", tag);
	response_header(call->response, "Cache-Control", cache_control);
	if (!has_tag(call->request->headers.if_none_match, tag))
		return false;
	call->response->status = 304;
	return true;
}

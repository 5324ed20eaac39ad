/* json_c.h: json-c as an independent judge of our reader of JSON. */
#pragma once

#include <limits.h>

#include <json-c/json.h>

#include "base/arena.h"
#include "base/text.h"
#include "json/gate.h"

static inline void
json_c_release(void *tree)
{
	json_object_put(tree);
}

/* Whether json-c takes the text, and its tree, which the arena owns; `null` gives NULL. */
static inline bool
json_c_parse(struct arena *arena, const char *text, size_t length, int depth,
             struct json_object **out)
{
	/* One level more than is allowed: json-c counts the scalars inside as a level. */
	struct json_tokener *tokener = json_tokener_new_ex(depth + 2);
	enum json_tokener_error error;

	*out = NULL;
	if (text == NULL || length > INT_MAX || !text_is_utf8(text, length)) {
		json_tokener_free(tokener);
		return false;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	*out = json_tokener_parse_ex(tokener, text, (int)length);
	error = json_tokener_get_error(tokener);
	/* A bare number may go on; the NUL says that it does not. */
	if (error == json_tokener_continue) {
		*out = json_tokener_parse_ex(tokener, "", 1);
		error = json_tokener_get_error(tokener);
	}
	json_tokener_free(tokener);
	if (error != json_tokener_success) {
		json_object_put(*out);
		*out = NULL;
		return false;
	}
	if (*out != NULL)
		arena_defer(arena, json_c_release, *out);
	return true;
}

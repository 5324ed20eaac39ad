/* foreign.c: fuzzes text that a service such as Stripe sends: json-c reads all that the foreign
 * gate takes, and finds the same values at the same paths. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "support/json_c.h"
#include "json/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The paths of an event, and shorter ones, which are found more easily. */
static const char *const paths[] = {
        "id", "type", "created", "data.object.id", "data.object.customer.id", "a", "a.a", "a.b",
};

enum { PATHS = sizeof(paths) / sizeof(*paths) };

/* json-c's member at the path; false when there is none. */
static bool
find(struct arena *arena, struct json_object *tree, const char *path, struct json_object **out)
{
	char *names = arena_copy(arena, path), *name;

	*out = tree;
	while ((name = strsep(&names, ".")) != NULL)
		if (!json_object_is_type(*out, json_type_object) ||
		    !json_object_object_get_ex(*out, name, out))
			return false;
	return true;
}

/* json-c takes an escaped character for half of a surrogate pair when its last 16 bits are
 * one's: U+1DE00, say. Of a text with one in it nothing can be learned. */
static bool
misread_by_json_c(const char *text)
{
	for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
		if (*at >= 0xf0) {
			uint32_t last = (uint32_t)(at[1] & 0x0f) << 12 |
			                (uint32_t)(at[2] & 0x3f) << 6 | (at[3] & 0x3f);

			if ((last & 0xf800) == 0xd800)
				return true;
		}
	return false;
}

static void
compare(const struct json_view *view, const struct json_object *value)
{
	const char *text;
	int64_t number;
	bool flag;

	if (json_view_is_null(view) != (value == NULL) ||
	    json_view_is_object(view) != json_object_is_type(value, json_type_object) ||
	    json_view_is_list(view) != json_object_is_type(value, json_type_array) ||
	    json_view_text(view, &text) != json_object_is_type(value, json_type_string) ||
	    json_view_truth(view, &flag) != json_object_is_type(value, json_type_boolean))
		abort();
	if (json_object_is_type(value, json_type_string) && !misread_by_json_c(text) &&
	    strcmp(text, json_object_get_string((struct json_object *)(uintptr_t)value)) != 0)
		abort();
	if (json_object_is_type(value, json_type_boolean) &&
	    flag != json_object_get_boolean(value))
		abort();
	/* One that does not fit is the largest there. */
	if (json_view_number(view, &number) && (!json_object_is_type(value, json_type_int) ||
	                                        number != json_object_get_int64(value)))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(64 * 1024 * 1024);
	struct json_object *tree, *value;
	struct json_view view, found;
	char *text = malloc(size ? size : 1); /* not longer, so that a step too far shows */

	if (!text)
		return 0;
	memcpy(text, data, size);
	if (json_view_read_foreign(arena, text, size, &view)) {
		/* json-c knows no byte order mark. */
		size_t mark = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

		if (!json_c_parse(arena, text + mark, size - mark, JSON_FOREIGN_DEPTH, &tree))
			abort();
		for (size_t i = 0; i < PATHS; i++) {
			bool there = json_view_find(&view, paths[i], &found);

			if (find(arena, tree, paths[i], &value) != there)
				abort();
			if (there)
				compare(&found, value);
		}
	}
	free(text);
	arena_free(arena);
	return 0;
}

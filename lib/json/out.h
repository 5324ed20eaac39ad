/* out.h: writes JSON text straight into an arena; commas and escapes are its business. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/text.h"

/* A writer: open, members, close. Depth is bounded by the code that calls it (32 at most). */
struct json_out {
	struct text text;
	bool comma;
};

struct json_out json_out_new(struct arena *arena, size_t capacity);

/* `name` is NULL for items of an array and for the outermost value. */
void json_out_open(struct json_out *json, const char *name, char bracket); /* '{' or '[' */
void json_out_close(struct json_out *json, char bracket);                  /* '}' or ']' */
void json_out_string(struct json_out *json, const char *name,
                     const char *value); /* NULL: null */
void json_out_int(struct json_out *json, const char *name, int64_t value);
void json_out_bool(struct json_out *json, const char *name, bool value);
void json_out_null(struct json_out *json, const char *name);
void json_out_time(struct json_out *json, const char *name, struct instant value);

/* A value that is JSON text already. */
void json_out_raw(struct json_out *json, const char *name, const char *value);

/* Appends the string with quotes, escaped (RFC 8259 section 7); invalid UTF-8 becomes U+FFFD.
 */
void json_out_quote(struct text *text, const char *string);

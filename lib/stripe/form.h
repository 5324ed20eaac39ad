/* form.h: encodes parameters for Stripe's v1 API (application/x-www-form-urlencoded with
 * brackets, docs.stripe.com/api). */
#pragma once

#include "base/text.h"

/* Parameters under construction; `text.data` is what is sent, in a body or behind a "?". */
struct stripe_form {
	struct text text;
};

struct stripe_form stripe_form_new(struct arena *arena);

/* `key` is literal, as "items[0][price]": its brackets stay bare, the rest of it and the value
 * are percent-encoded byte by byte (space is %20). NULL as value leaves the parameter out; ""
 * clears it at Stripe. */
void stripe_form_string(struct stripe_form *form, const char *key, const char *value);
void stripe_form_int(struct stripe_form *form, const char *key, int64_t value);
void stripe_form_bool(struct stripe_form *form, const char *key, bool value);

/* A path of the API: `format` with each "%s" replaced by the percent-encoded id. NULL and ""
 * become "-", which is no object's id; an empty id would make it the path of all objects. */
const char *stripe_path(struct arena *arena, const char *format, const char *id);

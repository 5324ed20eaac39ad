/* compose.c: makes a request to the API of the words of a command line. */
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billingctl-api/request.h"
#include "stripe/form.h"
#include "json/fields.h"
#include "json/out.h"
#include "json/view.h"

/* Options that have another name than their field. */
static const struct alias {
	const char *option;
	const char *field;
	const char *json; /* its value, of an option without one */
} aliases[] = {
        {"--why", "reason", NULL},
        {"--company", "company_name", NULL},
        {"--no-company", "company_name", "null"},
        {"--now", "at_period_end", "false"},
        {"--customer", "customer_id", NULL},
        {"--of-version", "version", NULL},
};

/* Options that are no field: they are for billingctl itself, or become headers. */
static const char *const others[] = {"--yes", "--out", "--csv", "--follow",
                                     "--idempotency-key"};

static const struct alias *
alias_of(const char *option)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++)
		if (strcmp(aliases[i].option, option) == 0)
			return &aliases[i];
	return NULL;
}

/* "--lease-hours" is the field lease_hours; NULL when the option is none. */
static const char *
field_name(struct arena *arena, const char *option)
{
	const struct alias *alias = alias_of(option);
	char *name;

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (strcmp(others[i], option) == 0)
			return NULL;
	if (alias != NULL)
		return alias->field;
	name = arena_copy(arena, option + 2);
	for (char *c = name; *c != '\0'; c++)
		if (*c == '-')
			*c = '_';
	return name;
}

const char *
request_word(const struct ctl *ctl, const char *field)
{
	const struct ctl_request *request = ctl->command->request;
	const struct ctl_option *options = ctl->command->options;
	const char *second =
	        ctl->command->argument == NULL ? NULL : strchr(ctl->command->argument, ' ');

	if (second != NULL && text_equal(request->second, field))
		return second + 1;
	for (; options != NULL && options->name != NULL; options++)
		if (text_equal(field_name(ctl->task.arena, options->name), field))
			return options->name;
	return field;
}

/* The row of a table of fields; NULL when there is none. */
static const struct field *
find_field(const struct field *fields, const char *name)
{
	for (; fields != NULL && fields->type != FIELD_STOP; fields++)
		if (strcmp(fields->name, name) == 0)
			return fields;
	return NULL;
}

/* One item of "a=1,b=yes": a value that is no JSON is a text. */
static void
add_pair(struct ctl *ctl, struct json_out *json, const char *item, size_t length)
{
	struct arena *arena = ctl->task.arena;
	char *name = arena_copy_bytes(arena, item, length);
	char *value = strchr(name, '=');
	struct json_refusal refusal;
	struct json_view view;

	if (value == NULL) {
		json_out_bool(json, name, true);
		return;
	}
	*value++ = '\0';
	if (json_view_read(arena, value, strlen(value), &view, &refusal))
		json_out_raw(json, name, value);
	else
		json_out_string(json, name, value);
}

static void
add_object(struct ctl *ctl, struct json_out *json, const char *name, const char *value)
{
	struct json_view view;
	const char *item;
	size_t length;

	if (json_view_try(ctl->task.arena, value, strlen(value), &view)) {
		json_out_raw(json, name, value);
		return;
	}
	json_out_open(json, name, '{');
	while (text_next_item(&value, &item, &length))
		add_pair(ctl, json, item, length);
	json_out_close(json, '}');
}

static void
add_list(struct ctl *ctl, struct json_out *json, const char *name, const char *value)
{
	const char *item;
	size_t length;

	json_out_open(json, name, '[');
	while (text_next_item(&value, &item, &length))
		json_out_string(json, NULL, arena_copy_bytes(ctl->task.arena, item, length));
	json_out_close(json, ']');
}

/* Adds a member of the body. A value that its field does not take is left to the API to refuse. */
static void
add_member(struct ctl *ctl, struct json_out *json, const struct field *field, const char *name,
           const char *value)
{
	enum field_type type = field == NULL ? FIELD_STRING : field->type;
	int64_t number;

	if (type == FIELD_LIST)
		add_list(ctl, json, name, value);
	else if (type == FIELD_OBJECT)
		add_object(ctl, json, name, value);
	else if (type == FIELD_INT && text_parse_int(value, &number))
		json_out_int(json, name, number);
	else if ((type == FIELD_BOOL || type == FIELD_CHOICE) &&
	         (strcmp(value, "true") == 0 || strcmp(value, "false") == 0))
		json_out_raw(json, name, value);
	else
		json_out_string(json, name, value);
}

/* A request under construction. */
struct draft {
	const struct route *route;
	bool has_body;
	struct json_out body;
	struct stripe_form query;
	struct text path;
};

static enum fail
add_value(struct ctl *ctl, struct draft *draft, const char *name, const char *value)
{
	TRY(ctl_check_text(ctl, request_word(ctl, name), value, SIZE_MAX, NULL));
	if (draft->has_body)
		add_member(ctl, &draft->body, find_field(draft->route->body, name), name,
		           value);
	else
		stripe_form_string(&draft->query, name, value);
	return FAIL_NONE;
}

static enum fail
add_options(struct ctl *ctl, struct draft *draft)
{
	const struct ctl_option *options = ctl->command->options;

	for (size_t i = 0; options != NULL && options[i].name != NULL; i++) {
		const char *name = field_name(ctl->task.arena, options[i].name);
		const struct alias *alias = alias_of(options[i].name);

		if (ctl->values[i] == NULL || name == NULL)
			continue;
		if (options[i].value != NULL)
			TRY(add_value(ctl, draft, name, ctl->values[i]));
		else if (alias != NULL && draft->has_body)
			json_out_raw(&draft->body, name, alias->json);
		else
			TRY(add_value(ctl, draft, name, "true"));
	}
	return FAIL_NONE;
}

/* Adds an argument: to the path when it has a parameter of the name, else as a field. */
static enum fail
add_argument(struct ctl *ctl, struct draft *draft, const char *name, const char *value)
{
	const char *place = arena_printf(ctl->task.arena, "/:%s", name);
	const char *found = strstr(draft->path.data, place);
	struct text path = text_new(ctl->task.arena, 256);

	if (value == NULL)
		return FAIL_NONE;
	if (found == NULL)
		return add_value(ctl, draft, name, value);
	TRY(ctl_check_text(ctl, request_word(ctl, name), value, SIZE_MAX, NULL));
	text_add_bytes(&path, draft->path.data, (size_t)(found - draft->path.data) + 1);
	text_add(&path, stripe_path(ctl->task.arena, "%s", value));
	text_add(&path, found + strlen(place));
	draft->path = path;
	return FAIL_NONE;
}

static enum fail
add_arguments(struct ctl *ctl, struct draft *draft)
{
	const struct ctl_request *request = ctl->command->request;
	const char *first = ctl->argument;

	if (first != NULL && request->first == NULL)
		TRY(ctl_customer_id(ctl, &first));
	TRY(add_argument(ctl, draft, request->first == NULL ? "customer_id" : request->first,
	                 first));
	return request->second == NULL ? FAIL_NONE
	                               : add_argument(ctl, draft, request->second, ctl->second);
}

enum fail
request_compose(struct ctl *ctl, const struct route *route, struct request *out)
{
	enum http_method method = route->entry.method;
	struct arena *arena = ctl->task.arena;
	struct draft draft = {
	        .route = route,
	        .has_body = method != HTTP_GET && method != HTTP_DELETE,
	        .body = json_out_new(arena, 256),
	        .query = stripe_form_new(arena),
	        .path = text_new(arena, 128),
	};

	text_add(&draft.path, route->entry.pattern);
	json_out_open(&draft.body, NULL, '{');
	TRY(add_arguments(ctl, &draft));
	TRY(add_options(ctl, &draft));
	json_out_close(&draft.body, '}');
	*out = (struct request){
	        .task = task_attempt(&ctl->task),
	        .method = method,
	        .path = draft.path.data,
	        .query = draft.query.text.data,
	        .address = "local",
	        .headers = {.idempotency_key = ctl_option(ctl, "--idempotency-key"),
	                    .content_type = "application/json",
	                    .accept = ctl_option(ctl, "--csv") == NULL ? NULL : "text/csv"},
	        .body = draft.has_body ? draft.body.text.data : "",
	        .body_length = draft.has_body ? draft.body.text.length : 0,
	};
	return FAIL_NONE;
}

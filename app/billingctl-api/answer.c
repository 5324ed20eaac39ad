/* answer.c: shows an answer of the API as lines and a table, and a refusal as one line. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/money.h"
#include "base/text.h"
#include "billingctl-api/request.h"
#include "billingctl/output.h"
#include "json/view.h"

/* Adds a price, as "$29.00 a month" or "90.00 EUR every 3 months"; false when the value is no price. */
static bool
add_price(struct text *text, const struct json_view *value)
{
	const char *currency, *interval;
	int64_t amount, count = 1;

	if (!json_view_int(value, "amount_minor", &amount) ||
	    !json_view_string(value, "currency", &currency) ||
	    !json_view_string(value, "interval", &interval))
		return false;
	(void)json_view_int(value, "interval_count", &count);
	text_add(text,
	         money_text(value->arena, arena_printf(value->arena, "%lld", (long long)amount),
	                    currency));
	if (count == 1)
		text_printf(text, " a %s", interval);
	else
		text_printf(text, " every %lld %ss", (long long)count, interval);
	return true;
}

/* A value within a line; an object as its values. */
static void
add_scalar(struct text *text, const struct json_view *value)
{
	const char *string, *name, *between = "";
	struct json_view item;

	if (json_view_text(value, &string)) {
		text_add(text, string);
		return;
	}
	if (add_price(text, value))
		return;
	if (!json_view_is_object(value)) {
		text_add(text, json_view_source(value));
		return;
	}
	for (bool more = json_view_first_member(value, &name, &item); more;
	     more = json_view_next_member(&name, &item)) {
		text_printf(text, "%s%s", between,
		            json_view_text(&item, &string) ? string : json_view_source(&item));
		between = " ";
	}
}

/* A list as "a, b", an object as "a=1, b=2"; what is within an object's member stays JSON. */
static const char *
in_one_line(struct arena *arena, const struct json_view *value)
{
	struct text text = text_new(arena, 64);
	struct json_view item;
	const char *name;

	for (bool more = json_view_first(value, &item); more; more = json_view_next(&item)) {
		text_add(&text, text.length == 0 ? "" : ", ");
		add_scalar(&text, &item);
	}
	if (!json_view_is_object(value))
		return text.data;
	for (bool more = json_view_first_member(value, &name, &item); more;
	     more = json_view_next_member(&name, &item)) {
		text_printf(&text, "%s%s=", text.length == 0 ? "" : ", ", name);
		if (json_view_is_object(&item) || json_view_is_list(&item))
			text_add(&text, json_view_source(&item));
		else
			add_scalar(&text, &item);
	}
	return text.data;
}

static void
put_value(struct output *output, const char *name, const struct json_view *value)
{
	struct arena *arena = output->task->arena;
	const char *string;
	bool truth;

	if (json_view_truth(value, &truth))
		output_bool(output, name, truth);
	else if (json_view_text(value, &string))
		output_text(output, name, string);
	else if (json_view_is_list(value) || json_view_is_object(value))
		output_text(output, name, text_or_null(in_one_line(arena, value)));
	else if (value->node == NULL || json_view_is_null(value))
		output_text(output, name, NULL);
	else
		output_text(output, name, json_view_source(value));
}

/* All members of an object; those of an object within it have its name before them. */
static void
put_all(struct output *output, const char *before, const struct json_view *object)
{
	struct arena *arena = output->task->arena;
	struct json_view value;
	const char *name;

	for (bool more = json_view_first_member(object, &name, &value); more;
	     more = json_view_next_member(&name, &value)) {
		const char *path =
		        before == NULL ? name : arena_printf(arena, "%s.%s", before, name);

		if (json_view_is_object(&value) && json_view_count(&value) > 0)
			put_all(output, path, &value);
		else
			put_value(output, path, &value);
	}
}

/* The values that the paths name, under the last name of each path; of an object all its members. */
static void
put_some(struct output *output, const char *paths, const struct json_view *object)
{
	struct arena *arena = output->task->arena;

	while (*paths != '\0') {
		size_t length = strcspn(paths, " ");
		const char *path = arena_copy_bytes(arena, paths, length);
		const char *dot = strrchr(path, '.');
		struct json_view value = {0};

		if (json_view_find(object, path, &value) && output->current == output->record &&
		    json_view_is_object(&value))
			put_all(output, NULL, &value);
		else
			put_value(output, dot == NULL ? path : dot + 1, &value);
		paths += length;
		paths += strspn(paths, " ");
	}
}

static void
put(struct output *output, const char *paths, const struct json_view *object)
{
	if (paths == NULL)
		put_all(output, NULL, object);
	else
		put_some(output, paths, object);
}

/* The rows of a list, or of an object, whose members' names are the first column. */
static void
put_rows(struct output *output, const char *columns, const struct json_view *rows)
{
	struct json_view item;
	const char *name;

	for (bool more = json_view_first(rows, &item); more; more = json_view_next(&item)) {
		output_row(output);
		put(output, columns, &item);
	}
	if (!json_view_is_object(rows))
		return;
	for (bool more = json_view_first_member(rows, &name, &item); more;
	     more = json_view_next_member(&name, &item)) {
		output_row(output);
		output_text(output, "name", name);
		put(output, columns, &item);
	}
}

static void
put_table(struct output *output, const struct ctl_request *request,
          const struct json_view *answer)
{
	struct arena *arena = output->task->arena;
	const char *paths = request->list;
	struct json_view rows, next;

	output_list(output, arena_copy_bytes(arena, paths, strcspn(paths, " ")));
	while (*paths != '\0') {
		size_t length = strcspn(paths, " ");

		(void)json_view_find(answer, arena_copy_bytes(arena, paths, length), &rows);
		put_rows(output, request->columns, &rows);
		paths += length;
		paths += strspn(paths, " ");
	}
	output_list_end(output);
	put_some(output, request->values == NULL ? "" : request->values, answer);
	if (json_view_member(answer, "next_cursor", &next) && !json_view_is_null(&next))
		put_value(output, "next_cursor", &next);
}

/* A page of CSV has no place for the cursor of the next one. */
static enum fail
write_document(struct ctl *ctl, const struct response *response)
{
	const char *next = response_header_value(response, "X-Next-Cursor");

	TRY(output_write(ctl, ctl_option(ctl, "--out"), response->body));
	if (next != NULL)
		fprintf(stderr, "billingctl: there is more: --cursor %s\n", next);
	return FAIL_NONE;
}

enum fail
answer_show(struct ctl *ctl, const struct response *response)
{
	const struct ctl_request *request = ctl->command->request;
	struct output output = output_new(ctl);
	struct json_view answer;

	if (request->document)
		return write_document(ctl, response);
	if (ctl->json) {
		puts(output_printable(ctl->task.arena, response->body));
		return output_flush(&ctl->task);
	}
	TRY(json_view_open(&ctl->task, response->body, response->length, &answer));
	if (request->list == NULL)
		put(&output, request->values, &answer);
	else
		put_table(&output, request, &answer);
	return output_print(&output);
}

/* A bad field in the words of the command line: "PLAN", "--interval", "--features maxDevices". */
static const char *
word_of(struct ctl *ctl, const char *field)
{
	size_t length = strcspn(field, ".[");
	const char *whole = arena_copy_bytes(ctl->task.arena, field, length);
	const char *word = request_word(ctl, whole);

	if (field[length] == '\0')
		return word;
	return word == whole ? field
	                     : arena_printf(ctl->task.arena, "%s %s", word,
	                                    field + length + (field[length] == '.'));
}

/* The bad fields as "--interval must be month or year; PLAN is unknown". */
static const char *
bad_fields(struct ctl *ctl, const struct json_view *details)
{
	struct text text = text_new(ctl->task.arena, 256);
	struct json_view item;

	for (bool more = json_view_first(details, &item); more; more = json_view_next(&item)) {
		const char *field = "", *message = "";

		(void)json_view_string(&item, "field", &field);
		(void)json_view_string(&item, "message", &message);
		text_printf(&text, "%s%s %s", text.length == 0 ? "" : "; ", word_of(ctl, field),
		            message);
	}
	return text.data;
}

enum fail
answer_refuse(struct ctl *ctl, const struct failure *failure, const struct response *response)
{
	const char *message = "", *code = "internal_error";
	struct json_view answer, details;

	if (failure->kind == FAIL_INTERNAL)
		return task_fail(&ctl->task, FAIL_INTERNAL, failure->code, "%s",
		                 failure->message);
	TRY(json_view_open(&ctl->task, response->body, response->length, &answer));
	(void)json_view_string(&answer, "error", &message);
	(void)json_view_string(&answer, "code", &code);
	if (json_view_list(&answer, "details", &details) && json_view_count(&details) > 0)
		return ctl_usage(ctl, "%s", bad_fields(ctl, &details));
	/* A stored answer is all that is left of an earlier failure. */
	return task_fail(&ctl->task, failure->kind == FAIL_NONE ? FAIL_CONFLICT : failure->kind,
	                 code, "%s", message);
}

/* failure.c: records failures in a task. */
#include "base/failure.h"

#include <stdarg.h>

#include "base/arena.h"
#include "base/text.h"

enum fail
task_fail(struct task *task, enum fail kind, const char *code, const char *format, ...)
{
	va_list arguments;

	if (task->failure.kind != FAIL_NONE)
		return task->failure.kind;
	va_start(arguments, format);
	task->failure.message = arena_vprintf(task->arena, format, arguments);
	va_end(arguments);
	task->failure.kind = kind;
	task->failure.code = code;
	return kind;
}

/* The failure has more bad fields than it names. */
static void
say_more(struct failure *failure)
{
	if (failure->kind == FAIL_INVALID)
		failure->message =
		        "The request has invalid fields: those that are listed, and more.";
}

static void
append_field(struct failure *failure, struct field_error *error)
{
	if (failure->fields == NULL)
		failure->fields = error;
	else
		failure->last_field->next = error;
	failure->last_field = error;
	failure->field_count++;
}

enum fail
task_fail_field(struct task *task, const char *field, const char *format, ...)
{
	enum fail kind = task_fail(task, FAIL_INVALID, "invalid_request",
	                           "The request has invalid fields.");
	struct field_error *error;
	va_list arguments;

	if (task->failure.field_count >= FIELD_ERRORS_MAX) {
		say_more(&task->failure);
		return kind;
	}
	error = arena_alloc(task->arena, sizeof(*error));
	va_start(arguments, format);
	error->message = arena_vprintf(task->arena, format, arguments);
	va_end(arguments);
	error->field = text_shortened(task->arena, field, FIELD_ERROR_NAME_MAX);
	append_field(&task->failure, error);
	return kind;
}

void
task_limit_fields(struct task *task, size_t most)
{
	struct failure *failure = &task->failure;

	if (failure->field_count <= most)
		return;
	failure->last_field = failure->fields;
	for (failure->field_count = 1; failure->field_count < most; failure->field_count++)
		failure->last_field = failure->last_field->next;
	failure->last_field->next = NULL;
	say_more(failure);
}

void
task_clear(struct task *task)
{
	task->failure = (struct failure){0};
}

struct task
task_attempt(const struct task *task)
{
	return (struct task){.arena = task->arena, .request_id = task->request_id};
}

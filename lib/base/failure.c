/* failure.c: records failures in a task. */
#include "base/failure.h"

#include <stdarg.h>

#include "base/arena.h"

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

enum fail
task_fail_field(struct task *task, const char *field, const char *format, ...)
{
	struct field_error *error = arena_alloc(task->arena, sizeof(*error));
	struct field_error **end = &task->failure.fields;
	va_list arguments;

	va_start(arguments, format);
	error->message = arena_vprintf(task->arena, format, arguments);
	va_end(arguments);
	error->field = arena_copy(task->arena, field);
	while (*end != NULL)
		end = &(*end)->next;
	*end = error;
	return task_fail(task, FAIL_INVALID, "invalid_request",
	                 "The request has invalid fields.");
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

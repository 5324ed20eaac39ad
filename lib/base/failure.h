/*
 * failure.h: the one error type, from the lowest library to the HTTP answer.
 *
 * Every call that can fail takes the task it works for and returns a kind. The message and its
 * stable code are set once, where the failure arose; callers pass the kind up with TRY().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

enum fail {
	FAIL_NONE,
	FAIL_INVALID,         /* the request is malformed or names bad fields */
	FAIL_UNAUTHENTICATED, /* no credential, or an unknown one */
	FAIL_FORBIDDEN,       /* a known caller that may not do this */
	FAIL_NOT_FOUND,
	FAIL_METHOD,   /* the path exists, the method does not */
	FAIL_CONFLICT, /* the state forbids it */
	FAIL_BUSY,     /* another request holds it; nothing was done */
	FAIL_LIMITED,  /* the caller sends too much; nothing was done */
	FAIL_TOO_LARGE,
	FAIL_MEDIA_TYPE,    /* not JSON */
	FAIL_UNPROCESSABLE, /* an idempotency key reused with another body */
	FAIL_PAYMENT,       /* the customer's bank or card refused */
	FAIL_STRIPE,        /* Stripe did not answer, or not as it should */
	FAIL_UNAVAILABLE,   /* try again later; nothing was done */
	FAIL_UNCERTAIN,     /* the connection died during COMMIT: it may have been done */
	FAIL_INTERNAL,      /* a fault of ours; the message stays in the log */
	FAIL_COUNT
};

/* At most FIELD_ERRORS_MAX bad fields are named; a request with more says so. A longer name of a
 * field is cut, as the caller chooses both. */
enum { FIELD_ERRORS_MAX = 20, FIELD_ERROR_NAME_MAX = 120 };

/* One bad field of the input. */
struct field_error {
	const char *field;
	const char *message;
	struct field_error *next;
};

struct failure {
	enum fail kind;
	const char *code;      /* stable, snake_case, part of the interface */
	const char *message;   /* a sentence for people; never an internal detail */
	int64_t retry_after_s; /* 0: as usual for the kind */
	struct field_error *fields;
	struct field_error *last_field;
	size_t field_count;
};

/* One piece of work: a request, a job's step, a command. It owns the memory and says what went
 * wrong; all pointers below it live in its arena. */
struct task {
	struct arena *arena;
	struct failure failure;
	const char *request_id; /* for the log and the audit trail */
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* Records the failure (the first one stays) and returns its kind, so that callers can
 * `return task_fail(...)`. The message is formatted into the arena. */
enum fail task_fail(struct task *task, enum fail kind, const char *code, const char *format,
                    ...) __attribute__((format(printf, 4, 5)));

/* Adds one bad field; always FAIL_INVALID with code "invalid_request". In order. Beyond
 * FIELD_ERRORS_MAX only the message changes. */
enum fail task_fail_field(struct task *task, const char *field, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Keeps the first `most` bad fields (at least 1). */
void task_limit_fields(struct task *task, size_t most);

/* Forgets the failure, when the caller has dealt with it. */
void task_clear(struct task *task);

/* A task in the same arena, for an attempt whose failure must not become this task's. */
struct task task_attempt(const struct task *task);

/* Passes a failure up. */
#define TRY(call)                                                                              \
	do {                                                                                   \
		enum fail try_kind_ = (call);                                                  \
		if (try_kind_ != FAIL_NONE)                                                    \
			return try_kind_;                                                      \
	} while (0)

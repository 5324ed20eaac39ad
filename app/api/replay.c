/*
 * replay.c: POST with an Idempotency-Key: the first answer, however often it is asked.
 */
#include "api/replay.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billing/idempotency.h"
#include "outbox/calls.h"

bool
replay_applies(const struct call *call)
{
	return call->request->method == HTTP_POST &&
	       call->request->headers.idempotency_key != NULL &&
	       call->route->who != WHO_ANYBODY;
}

/* Status, then the body: the headers of a POST's answer follow from them. */
static struct bytes
pack(struct arena *arena, const struct response *response)
{
	struct text text = text_new(arena, response->length + 16);

	text_printf(&text, "%d\n", response->status);
	text_add_bytes(&text, response->body == NULL ? "" : response->body, response->length);
	return (struct bytes){(const uint8_t *)text.data, text.length};
}

static void
unpack(struct arena *arena, struct bytes packed, struct response *response)
{
	char *text = arena_copy_bytes(arena, packed.data, packed.length);
	size_t head = strcspn(text, "\n");

	response->status = (int)strtol(text, NULL, 10);
	response->body = text + head + 1;
	response->length = packed.length - head - 1;
	response_header(response, "Content-Type", "application/json");
	response_header(response, "Idempotent-Replayed", "true");
}

/* Keys are scoped per caller. Callers without a key are told apart by their address: an answer may
 * hold an API key, and somebody else's guess of "1" must not open it. */
static const char *
scope_of(const struct call *call)
{
	if (call->caller.kind != CALLER_NOBODY)
		return call->operation.actor;
	return arena_printf(call->request->task.arena, "nobody:%s", call->request->address);
}

/* Runs the handler in a savepoint. A refusal undoes what it did and becomes the answer; what may
 * be tried again goes up as a failure, and nothing is stored. */
static enum fail
run(struct call *call)
{
	struct task *task = &call->request->task;
	struct db *db = call->operation.db;
	int depth = db_depth(db);
	enum fail kind;

	TRY(db_begin(db, task));
	kind = call->route->handler(call);
	if (kind == FAIL_NONE)
		return db_commit(db, task);
	if (response_status_of(kind) >= 500)
		return kind;
	db_rollback_to(db, depth);
	response_failure(call->response, task);
	task_clear(task);
	return FAIL_NONE;
}

/* Looks for the stored answer and lets go of everything again. */
static enum fail
look(struct call *call, struct idempotency *idempotency, bool *replay)
{
	struct task *task = &call->request->task;
	struct db *db = call->operation.db;
	struct bytes stored;

	TRY(db_begin(db, task));
	TRY(idempotency_claim(&call->operation, idempotency, &stored, replay));
	if (*replay)
		unpack(task->arena, stored, call->response);
	db_rollback_to(db, 0);
	return FAIL_NONE;
}

/* Stores the answer. What a faster twin has answered is the answer. */
static enum fail
keep(struct call *call, struct idempotency *idempotency)
{
	struct task *task = &call->request->task;
	struct db *db = call->operation.db;
	enum fail kind;
	bool replay;

	TRY(db_begin(db, task));
	kind = idempotency_store(&call->operation, idempotency,
	                         pack(task->arena, call->response));
	if (kind == FAIL_CONFLICT) {
		db_rollback_to(db, 0);
		task_clear(task);
		return look(call, idempotency, &replay);
	}
	TRY(kind);
	return db_commit(db, task);
}

/* What is refused because of what a twin has just done is no answer for this key. */
static enum fail
refuse(struct call *call, bool begun_before)
{
	struct task *task = &call->request->task;
	struct stripe_call known;
	bool begun;

	response_failure(call->response, task);
	task_clear(task);
	TRY(stripe_call_find_begun(&call->operation, &known, &begun));
	if (!begun || begun_before)
		return FAIL_NONE;
	return task_fail(task, FAIL_CONFLICT, "idempotency_in_progress",
	                 "A request with this Idempotency-Key is being answered; try again.");
}

/*
 * A handler that waits for Stripe commits as it goes: its work cannot be one transaction with its
 * answer. Instead what it does is bound to the client's key, and when the answer is lost after the
 * work, the next try with the key finds the work done and answers the same.
 */
static enum fail
run_in_steps(struct call *call, struct idempotency *idempotency, struct intent *intent)
{
	struct stripe_call known;
	enum fail kind;
	bool replay, begun;

	TRY(look(call, idempotency, &replay));
	if (replay)
		return FAIL_NONE;
	intent->key = idempotency->digest;
	intent->request = digest_sha256(idempotency->request.data, idempotency->request.length);
	call->operation.intent = intent;
	TRY(stripe_call_find_begun(&call->operation, &known, &begun));
	kind = call->route->handler(call);
	if (kind == FAIL_BUSY || response_status_of(kind) >= 500)
		return kind;
	db_rollback_to(call->operation.db, 0);
	if (kind != FAIL_NONE)
		TRY(refuse(call, begun));
	return keep(call, idempotency);
}

enum fail
replay_or_run(struct call *call)
{
	struct request *request = call->request;
	struct task *task = &request->task;
	struct db *db = call->operation.db;
	struct text what = text_new(task->arena, request->body_length + 256);
	struct idempotency idempotency = {
	        .caller = scope_of(call),
	        .key = request->headers.idempotency_key,
	};
	const char *fault = idempotency_check_key(idempotency.key);
	struct bytes stored;
	struct intent intent;
	enum fail kind;
	bool replay;

	if (fault != NULL)
		return task_fail(task, FAIL_INVALID, "invalid_idempotency_key",
		                 "The Idempotency-Key %s.", fault);
	text_printf(&what, "%s\n", request->path);
	text_add_bytes(&what, request->body, request->body_length);
	idempotency.request = (struct bytes){(const uint8_t *)what.data, what.length};
	if (call->route->pool == POOL_STRIPE) {
		kind = run_in_steps(call, &idempotency, &intent);
		call->operation.intent = NULL;
		return kind;
	}
	TRY(db_begin(db, task));
	TRY(idempotency_claim(&call->operation, &idempotency, &stored, &replay));
	if (replay) {
		unpack(task->arena, stored, call->response);
		return FAIL_NONE;
	}
	TRY(run(call));
	TRY(idempotency_store(&call->operation, &idempotency,
	                      pack(task->arena, call->response)));
	return db_commit(db, task);
}

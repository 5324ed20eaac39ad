/* replay.c: POST with an Idempotency-Key: every repetition gets the first answer. */
#include "api/replay.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "callers/idempotency.h"
#include "outbox/calls.h"

bool
replay_applies(const struct call *call)
{
	return call->request->method == HTTP_POST &&
	       call->request->headers.idempotency_key != NULL &&
	       call->route->who != WHO_ANYBODY;
}

/* Status and body are stored. The headers of a POST's answer follow from them. */
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

/* Each caller has its own keys. Callers without an API key are told apart by their address: an
 * answer may hold an API key, and a stranger who guesses the same Idempotency-Key must not get
 * it. */
static const char *
scope_of(const struct call *call)
{
	if (call->caller.kind != CALLER_NOBODY)
		return call->operation.actor;
	return arena_printf(call->request->task.arena, "nobody:%s", call->request->address);
}

/* All keys of a customer share one bound. Operators have none. */
static const char *
account_of(const struct call *call)
{
	if (call->caller.kind == CALLER_OPERATOR)
		return NULL;
	return call->caller.kind == CALLER_CUSTOMER ? call->caller.key.customer_id
	                                            : scope_of(call);
}

/* Whether the request may succeed a little later; its failure is then not stored. */
static bool
may_be_repeated(enum fail kind)
{
	return kind == FAIL_BUSY || kind == FAIL_LIMITED || response_status_of(kind) >= 500;
}

/* Runs the handler in a savepoint. A refusal (4xx) rolls back to it and becomes the answer. A
 * failure that may be repeated is returned, and nothing is stored. */
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
	if (may_be_repeated(kind))
		return kind;
	db_rollback_to(db, depth);
	response_failure(call->response, task);
	task_clear(task);
	return FAIL_NONE;
}

/* Ends the transaction that has read the stored answer, which becomes the answer once it is as
 * safe as a new one would be. */
static enum fail
replay_stored(struct call *call, struct bytes stored)
{
	struct task *task = &call->request->task;

	db_rollback_to(call->operation.db, 0);
	TRY(db_confirm(call->operation.db, task));
	unpack(task->arena, stored, call->response);
	return FAIL_NONE;
}

/* Reads the stored answer, if there is one, and ends the transaction. */
static enum fail
find_stored(struct call *call, struct idempotency *idempotency, bool *replay)
{
	struct task *task = &call->request->task;
	struct db *db = call->operation.db;
	struct bytes stored;

	TRY(db_begin(db, task));
	TRY(idempotency_claim(&call->operation, idempotency, &stored, replay));
	if (*replay)
		return replay_stored(call, stored);
	db_rollback_to(db, 0);
	return FAIL_NONE;
}

/* Stores the answer. If a concurrent request with the same key has stored its own, that one is
 * sent. */
static enum fail
store(struct call *call, struct idempotency *idempotency)
{
	struct task *task = &call->request->task;
	struct db *db = call->operation.db;
	enum fail kind;
	bool replay;

	TRY(db_begin(db, task));
	kind = idempotency_store(&call->operation, idempotency,
	                         pack(task->arena, call->response));
	if (kind == FAIL_BUSY) {
		db_rollback_to(db, 0);
		task_clear(task);
		return find_stored(call, idempotency, &replay);
	}
	TRY(kind);
	return db_commit(db, task);
}

/* A concurrent request with the same key may have begun its work meanwhile, and the refusal be
 * due to that work: then nothing is stored, and the client tries again. */
static enum fail
refuse(struct call *call, bool had_begun)
{
	struct task *task = &call->request->task;
	struct stripe_call known;
	bool begun;

	response_failure(call->response, task);
	task_clear(task);
	TRY(stripe_call_find_begun(&call->operation, &known, &begun));
	if (!begun || had_begun)
		return FAIL_NONE;
	return fail_in_progress(task, true, NULL);
}

/* A handler that waits for Stripe commits several times, so its work and its answer cannot be
 * one transaction. Instead its calls of Stripe are stored under the client's key. When the
 * answer is lost after the work, the next request with the key finds the work done and gets the
 * same answer. */
static enum fail
run_in_steps(struct call *call, struct idempotency *idempotency, struct intent *intent)
{
	struct stripe_call known;
	enum fail kind;
	bool replay, begun;

	TRY(find_stored(call, idempotency, &replay));
	if (replay)
		return FAIL_NONE;
	intent->key = idempotency->digest;
	intent->request = digest_sha256(idempotency->request.data, idempotency->request.length);
	call->operation.intent = intent;
	TRY(stripe_call_find_begun(&call->operation, &known, &begun));
	kind = call->route->handler(call);
	if (may_be_repeated(kind))
		return kind;
	db_rollback_to(call->operation.db, 0);
	if (kind != FAIL_NONE)
		TRY(refuse(call, begun));
	return store(call, idempotency);
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
	        .account = account_of(call),
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
	if (replay)
		return replay_stored(call, stored);
	TRY(run(call));
	TRY(idempotency_store(&call->operation, &idempotency,
	                      pack(task->arena, call->response)));
	return db_commit(db, task);
}

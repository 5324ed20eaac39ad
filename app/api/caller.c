/* caller.c: identifies the caller, and checks whether the route's row admits it. */
#include "api/caller.h"

#include <string.h>
#include <strings.h>

#include "api/origin.h"
#include "api/share.h"
#include "audit/refusals.h"
#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "base/wire.h"
#include "billing/customer_ids.h"
#include "billing/customers.h"
#include "callers/sessions.h"
#include "metrics/metrics.h"
#include "json/fields.h"

static enum fail
unauthenticated(struct call *call)
{
	if (call->caller.has_session) {
		origin_set_cookie(call, "", 0);
		return task_fail(&call->request->task, FAIL_UNAUTHENTICATED, "unauthenticated",
		                 "The session has ended; sign in again.");
	}
	return task_fail(&call->request->task, FAIL_UNAUTHENTICATED, "unauthenticated",
	                 "A valid API key is needed: X-API-Key, or Authorization: Bearer.");
}

static enum fail
forbidden(struct call *call)
{
	return task_fail(
	        &call->request->task, FAIL_FORBIDDEN, "forbidden",
	        call->caller.kind == CALLER_OPERATOR
	                ? "This needs a key with the role owner; this key has the role viewer."
	                : "This needs an operator's key; this key is a customer's.");
}

static enum fail
scope_missing(struct call *call)
{
	struct task *task = &call->request->task;

	return task_fail(task, FAIL_FORBIDDEN, "scope_missing",
	                 "This needs a key with the scope %s; this key has %s.",
	                 api_key_scopes_text(task->arena, call->route->scope),
	                 api_key_scopes_text(task->arena, call->caller.scopes));
}

/* "Bearer <key>": the key, or NULL for another scheme. */
static const char *
bearer(const char *authorization)
{
	if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0)
		return NULL;
	return authorization + 7 + strspn(authorization + 7, " ");
}

void
caller_trust(struct call *call)
{
	if (call->api->trusted_actor == NULL)
		return;
	call->caller.kind = CALLER_OPERATOR;
	call->caller.key = (struct api_key){.role = "owner", .used_today = true};
	call->operation.actor = call->api->trusted_actor;
}

static enum fail
take_secret(struct call *call, const char *secret, bool is_well_formed)
{
	if (!is_well_formed)
		return unauthenticated(call);
	call->caller.secret = secret;
	call->caller.digest = digest_sha256(secret, strlen(secret));
	call->caller.has_digest = true;
	return FAIL_NONE;
}

/* A browser sends the cookie with every request, also with one that another site makes. */
static enum fail
read_session(struct call *call)
{
	const struct request *request = call->request;
	const char *token = request->headers.session;

	call->caller.has_session = true;
	if (request->method != HTTP_GET && request->method != HTTP_HEAD)
		TRY(origin_check(call));
	return take_secret(call, token, session_is_well_formed(token));
}

static enum fail
read_credential(struct call *call)
{
	const struct request_headers *headers = &call->request->headers;
	const char *from_bearer = bearer(headers->authorization);
	const char *secret = headers->api_key != NULL ? headers->api_key : from_bearer;

	if (headers->api_key != NULL && from_bearer != NULL &&
	    strcmp(headers->api_key, from_bearer) != 0)
		return task_fail(&call->request->task, FAIL_INVALID, "ambiguous_credentials",
		                 "X-API-Key and Authorization name two different keys.");
	if (secret == NULL && headers->authorization == NULL) {
		if (headers->session != NULL)
			return read_session(call);
		if (call->route->who == WHO_SIGN_UP && call->api->settings->public_signup)
			return FAIL_NONE;
		return unauthenticated(call);
	}
	if (secret == NULL)
		return unauthenticated(call);
	return take_secret(call, secret, api_key_is_well_formed(secret));
}

enum fail
caller_read(struct call *call)
{
	if (call->route->who == WHO_ANYBODY || call->api->trusted_actor != NULL)
		return FAIL_NONE;
	return read_credential(call);
}

const char *
caller_path_customer(const struct call *call)
{
	if (strstr(call->route->entry.pattern, ":customer_id") == NULL)
		return NULL;
	return request_param(call->request, "customer_id");
}

/* The member "customer_id" of the body; NULL when the route's body has none. */
static const struct field *
body_field(const struct call *call)
{
	const struct field *field = call->route->body;

	for (; field != NULL && field->type != FIELD_STOP; field++)
		if (strcmp(field->name, "customer_id") == 0)
			return field;
	return NULL;
}

const char *
caller_body_customer(const struct call *call)
{
	const struct field *field = body_field(call);

	return field == NULL ? NULL
	                     : *(const char *const *)((const char *)call->body + field->offset);
}

void
caller_take_path_id(struct call *call)
{
	const char *named = caller_path_customer(call);

	if (named != NULL)
		request_set_param(call->request, "customer_id",
		                  customer_id_or_text(call->request->task.arena, named));
}

void
caller_take_body_id(struct call *call, void *body)
{
	const struct field *field = body_field(call);
	const char **named;

	if (field == NULL)
		return;
	named = (const char **)(void *)((char *)body + field->offset);
	if (*named != NULL)
		*named = customer_id_or_text(call->request->task.arena, *named);
}

static enum fail
admit_customer(struct call *call)
{
	const char *asked = caller_path_customer(call);

	if (asked != NULL && strcmp(asked, call->caller.key.customer_id) != 0)
		return fail_customer_not_found(&call->request->task);
	if (call->route->who == WHO_ANYBODY)
		return FAIL_NONE;
	if (call->route->who != WHO_CUSTOMER && call->route->who != WHO_CALLER)
		return forbidden(call);
	if ((call->caller.scopes & call->route->scope) != call->route->scope)
		return scope_missing(call);
	return FAIL_NONE;
}

static enum fail
admit_operator(struct call *call)
{
	enum http_method method = call->route->entry.method;

	if (method != HTTP_GET && call->route->who != WHO_CALLER &&
	    strcmp(call->caller.key.role, "owner") != 0)
		return forbidden(call);
	return FAIL_NONE;
}

static bool
is_digest(struct bytes stored, const struct sha256 *digest)
{
	struct sha256 copy;

	if (stored.length != sizeof(copy.bytes))
		return false;
	memcpy(copy.bytes, stored.data, sizeof(copy.bytes));
	return digest_equal(&copy, digest);
}

/* A key that has revoked itself, and asks again, learns that from the refusal. */
static enum fail
revoked(struct call *call)
{
	if (call->request->method == HTTP_DELETE)
		TRY(db_confirm_work(call->operation.db, call->operation.task));
	return unauthenticated(call);
}

enum fail
caller_admit(struct call *call, const struct api_key *key)
{
	struct caller *caller = &call->caller;
	struct bytes stored = caller->has_session ? key->session_digest : key->digest;

	/* A session was admitted before the statement that reads keys. */
	if (call->api->trusted_actor != NULL ||
	    (caller->has_session && caller->kind != CALLER_NOBODY))
		return FAIL_NONE;
	/* The index found this digest. The comparison in constant time decides, not the
	 * index. */
	if (key->key_id == NULL || !is_digest(stored, &caller->digest))
		return unauthenticated(call);
	if (key->revoked_at.known) {
		caller->revoked_key_id = key->key_id;
		return revoked(call);
	}
	caller->key = *key;
	caller->scopes = api_key_scopes(&key->scopes);
	caller->kind = key->customer_id == NULL ? CALLER_OPERATOR : CALLER_CUSTOMER;
	call->operation.actor = arena_printf(
	        call->request->task.arena, "%s:%s",
	        caller->kind == CALLER_OPERATOR ? "operator" : "customer", key->key_id);
	return caller->kind == CALLER_OPERATOR ? admit_operator(call) : admit_customer(call);
}

/* A statement that reads a key itself finds that of the session. */
static enum fail
use_own_key(struct call *call)
{
	if (!call->route->joins_caller)
		return FAIL_NONE;
	if (call->caller.key.digest.data == NULL)
		return task_fail(&call->request->task, FAIL_FORBIDDEN, "forbidden",
		                 "This needs an API key.");
	memcpy(call->caller.digest.bytes, call->caller.key.digest.data,
	       sizeof(call->caller.digest.bytes));
	return FAIL_NONE;
}

enum fail
caller_resolve(struct call *call)
{
	struct api_key key = {0};
	bool found;

	if (!call->caller.has_digest)
		return FAIL_NONE;
	if (!call->caller.has_session) {
		TRY(api_key_find(&call->operation, &call->caller.digest, &key, &found));
		return caller_admit(call, &key);
	}
	TRY(session_find(&call->operation, &call->caller.digest, &key, &found));
	TRY(caller_admit(call, &key));
	return use_own_key(call);
}

enum fail
caller_recognise(struct call *call)
{
	struct task *task = &call->request->task;
	enum fail kind = read_credential(call);

	if (kind == FAIL_NONE)
		kind = caller_resolve(call);
	if (kind == FAIL_UNAUTHENTICATED || kind == FAIL_INVALID) {
		task_clear(task);
		call->caller = (struct caller){.kind = CALLER_NOBODY};
		return FAIL_NONE;
	}
	return kind;
}

static enum fail
judge(void *context, struct task *task, const void *row)
{
	static const struct api_key none;
	struct call *call = context;

	(void)task;
	TRY(caller_admit(call, row == NULL ? &none : row));
	return share_enter(call);
}

void
caller_resolve_ahead(struct call *call)
{
	if (call->caller.has_session)
		session_find_ahead(&call->operation, &call->caller.digest, judge, call);
	else if (call->caller.has_digest)
		api_key_find_ahead(&call->operation, &call->caller.digest, judge, call);
}

enum fail
caller_check_body(struct call *call)
{
	const char *named = caller_body_customer(call);

	if (named == NULL)
		return FAIL_NONE;
	if (!wire_is_customer_id(named) || (call->caller.kind == CALLER_CUSTOMER &&
	                                    strcmp(named, call->caller.key.customer_id) != 0))
		return fail_customer_not_found(&call->request->task);
	return FAIL_NONE;
}

void
caller_touch(struct call *call)
{
	struct task *task = &call->request->task;
	struct task aside = task_attempt(task);
	struct operation operation = call->operation;

	if (call->caller.kind == CALLER_NOBODY || call->caller.key.used_today)
		return;
	operation.task = &aside;
	if ((call->caller.has_session ? session_touch(&operation, &call->caller.key)
	                              : api_key_touch(&operation, &call->caller.key,
	                                              call->caller.secret)) != FAIL_NONE)
		log_line(LOG_LEVEL_WARNING, "last use of a key not recorded",
		         LOG_S("key_id", call->caller.key.key_id));
}

/* The key that was sent, without its secret: the id of a known one, else the first characters. */
static const char *
shown_key(const struct call *call)
{
	return call->caller.key.key_id != NULL
	               ? call->caller.key.key_id
	               : arena_copy_bytes(call->request->task.arena, call->caller.secret,
	                                  API_KEY_OPERATOR_SHOWN);
}

void
caller_record_refusal(struct call *call, const struct failure *failure)
{
	struct task *task = &call->request->task;
	struct task aside = task_attempt(task);
	struct operation operation = call->operation;
	const struct caller *caller = &call->caller;
	const char *key_id = caller->key.key_id;
	bool recorded = true;

	if ((failure->kind != FAIL_UNAUTHENTICATED && failure->kind != FAIL_FORBIDDEN) ||
	    !caller->has_digest ||
	    !(caller->kind == CALLER_OPERATOR || api_key_is_operators(caller->secret)))
		return;
	operation.task = &aside;
	if (audit_refusal(&operation, key_id != NULL ? key_id : caller->revoked_key_id,
	                  caller_path_customer(call), shown_key(call),
	                  arena_printf(task->arena, "%s: %s %s", failure->code,
	                               request_method_name(call->request->method),
	                               call->route->entry.pattern),
	                  &recorded) != FAIL_NONE)
		log_line(LOG_LEVEL_WARNING, "refusal of a key not recorded");
	if (!recorded)
		metrics_add(call->api->metrics, METRIC_REFUSALS_UNRECORDED, 1);
}

const char *
caller_kind_name(const struct caller *caller)
{
	if (caller->kind == CALLER_NOBODY)
		return "nobody";
	return caller->key.role;
}

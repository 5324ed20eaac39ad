/* endpoints.c: makes, lists, changes and removes the endpoints that events are sent to. */
#include "webhooks/endpoints.h"

#include <string.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/text.h"
#include "billing/audit.h"
#include "events/catalogue.h"
#include "webhooks/known_keys.h"
#include "webhooks/signature.h"

#define COLUMNS_OF_ENDPOINT                                                                    \
	"endpoint_id, url, types, description, state, disabled_reason, disabled_at, "          \
	"old_secret_until, failing_since, paused_until, last_success_at, last_failure_at, "    \
	"created_at, updated_at, (SELECT count(*) FROM (SELECT FROM webhook_deliveries d "     \
	"WHERE d.endpoint_id = e.endpoint_id AND d.state = 'pending' LIMIT 1000) p) AS "       \
	"pending "

#define ENDPOINT                                                                               \
	ROWS_WITH(struct webhook_endpoint, endpoint_id, url, types, description, state,        \
	          disabled_reason, disabled_at, old_secret_until, failing_since, paused_until, \
	          last_success_at, last_failure_at, created_at, updated_at, pending)

/* The sealed secrets of an endpoint. */
struct sealed {
	const char *endpoint_id;
	struct bytes secret;
	struct bytes old_secret;
	const char *seal_key;
};

enum { LOCK, CREATE, LIST, FIND, UPDATE, WAKE, DELETE, SEALED, SEALED_ALL, SEAL };

static const struct statement statements[] = {
        [LOCK] = {"webhook_endpoints_lock",
                  .sql = "SELECT FROM pg_advisory_xact_lock(113672440080247)"},
        [CREATE] =
                {"webhook_endpoint_create", ENDPOINT,
                 .sql = "INSERT INTO webhook_endpoints AS e (endpoint_id, url, types, "
                        "description, state, secret, seal_key, position, number, created_at, "
                        "updated_at) SELECT $1, $2, $3::text[], $4, 'enabled', $5::bytea, $6, "
                        "event_horizon() - 1, 9223372036854775807, $7::timestamptz, "
                        "$7::timestamptz WHERE (SELECT count(*) FROM webhook_endpoints "
                        "WHERE state <> 'deleted') < $8::bigint "
                        "RETURNING " COLUMNS_OF_ENDPOINT},
        [LIST] = {"webhook_endpoint_list", ENDPOINT,
                  .sql = "SELECT " COLUMNS_OF_ENDPOINT "FROM webhook_endpoints e "
                         "WHERE state <> 'deleted' "
                         "ORDER BY created_at DESC, endpoint_id DESC LIMIT 100"},
        [FIND] = {"webhook_endpoint_find", ENDPOINT,
                  .sql = "SELECT " COLUMNS_OF_ENDPOINT "FROM webhook_endpoints e "
                         "WHERE endpoint_id = $1 AND state <> 'deleted'"},
        /* $2 URL  $3 whether types change  $4 types  $5 whether the description changes  $6 it
         * $7 enabled, disabled or NULL  $8 now */
        [UPDATE] =
                {"webhook_endpoint_update", ENDPOINT,
                 .sql = "UPDATE webhook_endpoints e SET url = COALESCE($2, url), "
                        "types = CASE WHEN $3::boolean THEN $4::text[] ELSE types END, "
                        "description = CASE WHEN $5::boolean THEN $6 ELSE description END, "
                        "state = COALESCE($7, state), "
                        "disabled_reason = CASE $7 WHEN 'enabled' THEN NULL "
                        "  WHEN 'disabled' THEN COALESCE(disabled_reason, 'operator') "
                        "  ELSE disabled_reason END, "
                        "disabled_at = CASE $7 WHEN 'enabled' THEN NULL "
                        "  WHEN 'disabled' THEN COALESCE(disabled_at, $8::timestamptz) "
                        "  ELSE disabled_at END, "
                        "failing_since = CASE WHEN $7 = 'enabled' OR $2 <> url THEN NULL "
                        "  ELSE failing_since END, "
                        "paused_until = CASE WHEN $7 = 'enabled' OR $2 IS NOT NULL THEN NULL "
                        "  ELSE paused_until END, updated_at = $8::timestamptz "
                        "WHERE endpoint_id = $1 AND state <> 'deleted' "
                        "RETURNING " COLUMNS_OF_ENDPOINT},
        [WAKE] = {"webhook_deliveries_wake",
                  .sql = "UPDATE webhook_deliveries SET due_at = $2::timestamptz "
                         "WHERE endpoint_id = $1 AND state = 'pending' "
                         "AND due_at > $2::timestamptz + interval '30 seconds'"},
        [DELETE] = {"webhook_endpoint_delete",
                    .sql = "UPDATE webhook_endpoints SET state = 'deleted', "
                           "disabled_reason = NULL, disabled_at = NULL, old_secret = NULL, "
                           "old_secret_until = NULL, secret = '', url = 'deleted', "
                           "description = NULL, updated_at = $2 "
                           "WHERE endpoint_id = $1 AND state <> 'deleted'"},
        [SEALED] = {"webhook_endpoint_sealed",
                    ROWS_WITH(struct sealed, endpoint_id, secret, old_secret, seal_key),
                    .sql = "SELECT endpoint_id, secret, old_secret, seal_key "
                           "FROM webhook_endpoints "
                           "WHERE endpoint_id = $1 AND state <> 'deleted' "
                           "FOR NO KEY UPDATE"},
        [SEALED_ALL] = {"webhook_endpoints_sealed",
                        ROWS_WITH(struct sealed, endpoint_id, secret, old_secret, seal_key),
                        .sql = "SELECT endpoint_id, secret, old_secret, seal_key "
                               "FROM webhook_endpoints WHERE state <> 'deleted' "
                               "AND seal_key <> $1 ORDER BY endpoint_id "
                               "FOR NO KEY UPDATE"},
        [SEAL] = {"webhook_endpoint_seal",
                  .sql = "UPDATE webhook_endpoints SET secret = $2::bytea, "
                         "old_secret = $3::bytea, old_secret_until = CASE WHEN $3 IS NULL "
                         "THEN NULL ELSE COALESCE($4::timestamptz, old_secret_until) END, "
                         "seal_key = $5, updated_at = COALESCE($6::timestamptz, updated_at) "
                         "WHERE endpoint_id = $1"},
};

const struct statement_list webhook_endpoint_statements = STATEMENT_LIST(statements);

const char *
webhook_type_check(const char *type)
{
	return strcmp(type, WEBHOOK_ALL_TYPES) == 0 ? NULL : event_type_check(type);
}

/* The types as a parameter: NULL for all. */
static const char *
param_types(struct task *task, const struct string_list *types)
{
	if (!types->present)
		return NULL;
	for (size_t i = 0; i < types->count; i++)
		if (strcmp(types->items[i], WEBHOOK_ALL_TYPES) == 0)
			return NULL;
	return param_list(task, types);
}

static enum fail
fail_not_found(struct task *task)
{
	return task_fail(task, FAIL_NOT_FOUND, "endpoint_not_found",
	                 "There is no such webhook endpoint.");
}

void
webhook_endpoint_render(struct json_out *json, const char *name,
                        const struct webhook_endpoint *endpoint)
{
	json_out_open(json, name, '{');
	json_out_string(json, "endpoint_id", endpoint->endpoint_id);
	json_out_string(json, "url", endpoint->url);
	json_out_open(json, "types", '[');
	if (!endpoint->types.present)
		json_out_string(json, NULL, WEBHOOK_ALL_TYPES);
	for (size_t i = 0; i < endpoint->types.count; i++)
		json_out_string(json, NULL, endpoint->types.items[i]);
	json_out_close(json, ']');
	json_out_string(json, "description", endpoint->description);
	json_out_bool(json, "enabled", text_equal(endpoint->state, "enabled"));
	json_out_string(json, "disabled_reason", endpoint->disabled_reason);
	json_out_time(json, "disabled_at", endpoint->disabled_at);
	json_out_time(json, "failing_since", endpoint->failing_since);
	json_out_time(json, "paused_until", endpoint->paused_until);
	json_out_time(json, "last_success_at", endpoint->last_success_at);
	json_out_time(json, "last_failure_at", endpoint->last_failure_at);
	json_out_int(json, "pending", endpoint->pending);
	json_out_time(json, "old_secret_until", endpoint->old_secret_until);
	json_out_time(json, "created_at", endpoint->created_at);
	json_out_time(json, "updated_at", endpoint->updated_at);
	json_out_close(json, '}');
}

const char *
webhook_endpoint_text(struct arena *arena, const struct webhook_endpoint *endpoint)
{
	struct json_out json = json_out_new(arena, 1024);
	struct webhook_endpoint shown = *endpoint;

	shown.url = arena_copy_bytes(arena, endpoint->url, strcspn(endpoint->url, "?#"));
	webhook_endpoint_render(&json, NULL, &shown);
	return json.text.data;
}

static enum fail
audit(struct operation *operation, const char *action, const char *endpoint_id,
      const struct webhook_endpoint *before, const struct webhook_endpoint *after)
{
	struct arena *arena = operation->task->arena;

	return audit_record_values(operation, action, NULL, endpoint_id, NULL,
	                           before == NULL ? NULL : webhook_endpoint_text(arena, before),
	                           after == NULL ? NULL : webhook_endpoint_text(arena, after));
}

/* A new secret, its text and its seal. */
static const char *
make_secret(struct task *task, const struct webhook_keys *keys, const char **text)
{
	struct bytes secret = webhook_secret_make(task->arena);

	*text = webhook_secret_text(task->arena, secret);
	return param_bytes(task, webhook_key_seal(task->arena, &keys->current, secret));
}

enum fail
webhook_endpoint_create(struct operation *operation, const struct webhook_keys *keys,
                        const struct webhook_endpoint_change *input,
                        struct webhook_endpoint *out, const char **secret)
{
	struct task *task = operation->task;
	const char *sealed = make_secret(task, keys, secret);
	bool found;

	TRY(db_begin(operation->db, task));
	TRY(db_run(operation->db, task, &statements[LOCK], NO_PARAMETERS, NULL));
	TRY(db_row(operation->db, task, &statements[CREATE],
	           PARAMETERS(random_id(task->arena, "we_", 12), input->url,
	                      param_types(task, &input->types), input->description.value,
	                      sealed, keys->current.public_text, param_now(operation),
	                      param_int(task, WEBHOOK_ENDPOINTS_MAX)),
	           out, &found));
	if (!found)
		return task_fail(task, FAIL_CONFLICT, "too_many_endpoints",
		                 "There are %d webhook endpoints already; remove one first.",
		                 WEBHOOK_ENDPOINTS_MAX);
	TRY(audit(operation, "webhook_endpoint_create", out->endpoint_id, NULL, out));
	return db_commit(operation->db, task);
}

enum fail
webhook_endpoint_list(struct operation *operation, const struct webhook_endpoint **out,
                      size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[LIST], NO_PARAMETERS,
	               (void *)out, count);
}

enum fail
webhook_endpoint_find(struct operation *operation, const char *endpoint_id,
                      struct webhook_endpoint *out)
{
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[FIND], PARAMETERS(endpoint_id),
	           out, &found));
	return found ? FAIL_NONE : fail_not_found(operation->task);
}

enum fail
webhook_endpoint_update(struct operation *operation, const char *endpoint_id,
                        const struct webhook_endpoint_change *change,
                        struct webhook_endpoint *out)
{
	const char *state = !change->enabled.present ? NULL
	                    : change->enabled.value  ? "enabled"
	                                             : "disabled";
	struct task *task = operation->task;
	struct webhook_endpoint before;
	bool found;

	TRY(db_begin(operation->db, task));
	TRY(webhook_endpoint_find(operation, endpoint_id, &before));
	TRY(db_row(operation->db, task, &statements[UPDATE],
	           PARAMETERS(endpoint_id, change->url, param_bool(change->types.present),
	                      param_types(task, &change->types),
	                      param_bool(change->description.present),
	                      change->description.value, state, param_now(operation)),
	           out, &found));
	if (!found)
		return fail_not_found(task);
	/* Where it failed is over: what waits is due now. */
	if (text_equal(state, "enabled") || !text_equal(before.url, out->url))
		TRY(db_run(operation->db, task, &statements[WAKE],
		           PARAMETERS(endpoint_id, param_now(operation)), NULL));
	TRY(audit(operation, "webhook_endpoint_change", endpoint_id, &before, out));
	return db_commit(operation->db, task);
}

enum fail
webhook_endpoint_delete(struct operation *operation, const char *endpoint_id)
{
	struct task *task = operation->task;
	struct webhook_endpoint before;

	TRY(db_begin(operation->db, task));
	TRY(webhook_endpoint_find(operation, endpoint_id, &before));
	TRY(db_run(operation->db, task, &statements[DELETE],
	           PARAMETERS(endpoint_id, param_now(operation)), NULL));
	TRY(audit(operation, "webhook_endpoint_delete", endpoint_id, &before, NULL));
	return db_commit(operation->db, task);
}

/* Opens a secret and seals it under the current key; NULL when none of the keys opens it. */
static const char *
reseal(struct task *task, const struct webhook_keys *keys, const char *seal_key,
       struct bytes sealed)
{
	const struct webhook_key *key = webhook_keys_find(keys, seal_key);
	struct bytes plain;

	if (key == NULL || sealed.length == 0 ||
	    !webhook_key_open(task->arena, key, sealed, &plain))
		return NULL;
	return param_bytes(task, webhook_key_seal(task->arena, &keys->current, plain));
}

enum fail
webhook_endpoint_rotate(struct operation *operation, const struct webhook_keys *keys,
                        const char *endpoint_id, struct webhook_endpoint *out,
                        const char **secret)
{
	struct task *task = operation->task;
	const char *sealed = make_secret(task, keys, secret);
	struct sealed row;
	bool found;

	TRY(db_begin(operation->db, task));
	TRY(db_row(operation->db, task, &statements[SEALED], PARAMETERS(endpoint_id), &row,
	           &found));
	if (!found)
		return fail_not_found(task);
	TRY(db_run(operation->db, task, &statements[SEAL],
	           PARAMETERS(endpoint_id, sealed, reseal(task, keys, row.seal_key, row.secret),
	                      param_in(operation, WEBHOOK_OVERLAP_MS),
	                      keys->current.public_text, param_now(operation)),
	           NULL));
	TRY(webhook_endpoint_find(operation, endpoint_id, out));
	TRY(audit(operation, "webhook_secret_rotate", endpoint_id, NULL, out));
	return db_commit(operation->db, task);
}

enum fail
webhook_endpoints_reseal(struct operation *operation, const struct webhook_keys *keys)
{
	struct task *task = operation->task;
	const struct sealed *rows;
	size_t count;

	TRY(db_rows(operation->db, task, &statements[SEALED_ALL],
	            PARAMETERS(keys->current.public_text), (void *)&rows, &count));
	for (size_t i = 0; i < count; i++) {
		const char *secret = reseal(task, keys, rows[i].seal_key, rows[i].secret);

		if (secret == NULL)
			continue;
		TRY(db_run(operation->db, task, &statements[SEAL],
		           PARAMETERS(rows[i].endpoint_id, secret,
		                      reseal(task, keys, rows[i].seal_key, rows[i].old_secret),
		                      NULL, keys->current.public_text, NULL),
		           NULL));
	}
	return FAIL_NONE;
}

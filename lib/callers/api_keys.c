/* api_keys.c: the keys that open the API, of operators and of customers. */
#include "callers/api_keys.h"

#include <string.h>

#include "base/arena.h"
#include "base/file_key.h"
#include "base/random.h"
#include "base/text.h"
#include "billing/audit.h"
#include "db/render.h"
#include "events/log.h"
#include "json/out.h"

static const struct column columns[] =
        COLUMNS(struct api_key, key_id, customer_id, role, name, prefix, digest, file_key,
                scopes, created_at, last_used_at, used_today, revoked_at);

#define API_KEY_COLUMNS                                                                        \
	"k.key_id, k.customer_id, k.role, k.name, k.prefix, k.digest, k.file_key, k.scopes, "  \
	"k.created_at, k.last_used_at, "                                                       \
	"(COALESCE(k.last_used_at >= current_date, false) "                                    \
	"AND (k.file_key IS NOT NULL OR k.customer_id IS NULL)) AS used_today, k.revoked_at"

#define ROW ROWS_OF(struct api_key, columns)

/* Keys of a customer, for the bounds. */
struct key_count {
	int64_t live;
	int64_t made;
};

static const struct column count_columns[] = COLUMNS(struct key_count, live, made);

enum { FIND, TOUCH, LOCK, COUNT, CREATE, LIST, REVOKE, REVOKE_ALL };

static const struct statement statements[] = {
        [FIND] = {"api_key_find", ROW,
                  .sql = "SELECT " API_KEY_COLUMNS " FROM api_keys k WHERE k.digest = $1"},
        /* Reading goes on while a synchronous standby is away, so this does not wait for it. */
        [TOUCH] = {"api_key_touch", .unconfirmed = true,
                   .sql = "UPDATE api_keys SET last_used_at = now(), "
                          "file_key = COALESCE(file_key, $2::bytea) WHERE key_id = $1 "
                          "AND (COALESCE(last_used_at < current_date, true) "
                          "OR (file_key IS NULL AND $2::bytea IS NOT NULL)) "
                          "AND set_config('synchronous_commit', 'local', true) <> ''"},
        [LOCK] = {"api_key_lock_customer",
                  .sql = "SELECT FROM customers WHERE customer_id = $1 AND deleted_at IS NULL "
                         "FOR NO KEY UPDATE"},
        [COUNT] = {"api_key_count", ROWS_OF(struct key_count, count_columns),
                   .sql = "SELECT count(*) FILTER (WHERE revoked_at IS NULL) AS live, "
                          "count(*) FILTER (WHERE created_at > $2::timestamptz - interval '1 "
                          "day') AS made FROM api_keys WHERE customer_id = $1"},
        [CREATE] = {"api_key_create",
                    .sql = "INSERT INTO api_keys (key_id, customer_id, role, name, digest, "
                           "prefix, scopes, created_at, file_key) "
                           "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"},
        [LIST] = {"api_key_list", ROW,
                  .sql = "SELECT " API_KEY_COLUMNS " FROM api_keys k "
                         "WHERE (k.customer_id = $1 OR ($1::text IS NULL AND "
                         "k.customer_id IS NULL)) "
                         "ORDER BY k.created_at DESC, k.key_id LIMIT 1000"},
        [REVOKE] = {"api_key_revoke", ROW,
                    .sql = "UPDATE api_keys k SET revoked_at = $3 WHERE key_id = $1 "
                           "AND customer_id IS NOT DISTINCT FROM $2 AND revoked_at IS NULL "
                           "RETURNING " API_KEY_COLUMNS},
        [REVOKE_ALL] = {"api_key_revoke_all", ROW,
                        .sql = "WITH named AS (UPDATE api_keys SET name = NULL "
                               "  WHERE customer_id = $1 AND revoked_at IS NOT NULL) "
                               "UPDATE api_keys k SET revoked_at = $2, name = NULL WHERE "
                               "customer_id = $1 AND revoked_at IS NULL "
                               "RETURNING " API_KEY_COLUMNS},
};

const struct statement_list api_key_statements = STATEMENT_LIST(statements);

static const struct {
	const char *name;
	enum scope scope;
} scope_names[] = {
        {"license", SCOPE_LICENSE},
        {"usage", SCOPE_USAGE},
        {"billing", SCOPE_BILLING},
};

enum { SCOPE_NAMES = sizeof(scope_names) / sizeof(*scope_names) };

bool
api_key_is_operators(const char *secret)
{
	return text_starts_with(secret, "gba_");
}

bool
api_key_is_well_formed(const char *secret)
{
	size_t length = strlen(secret);

	if (api_key_is_operators(secret))
		return text_is_made_of(secret + 4, TEXT_HEX, 64, 64);
	return length == 5 + 32 + 1 + 64 && text_starts_with(secret, "cust_") &&
	       secret[5 + 32] == '_' && strspn(secret + 5, TEXT_HEX) == 32 &&
	       strspn(secret + 5 + 33, TEXT_HEX) == 64;
}

unsigned int
api_key_scopes(const struct string_list *names)
{
	unsigned int scopes = SCOPE_NONE;

	for (size_t i = 0; i < names->count; i++)
		for (size_t k = 0; k < SCOPE_NAMES; k++)
			if (strcmp(names->items[i], scope_names[k].name) == 0)
				scopes |= scope_names[k].scope;
	return scopes;
}

const char *
api_key_check_scope(const char *name)
{
	for (size_t k = 0; k < SCOPE_NAMES; k++)
		if (strcmp(name, scope_names[k].name) == 0)
			return NULL;
	return "must be some of license, usage and billing";
}

static struct string_list
scope_list(struct arena *arena, unsigned int scopes)
{
	const char **items = arena_array(arena, SCOPE_NAMES, sizeof(*items));
	struct string_list list = {.present = true, .items = items};

	for (size_t k = 0; k < SCOPE_NAMES; k++)
		if ((scopes & scope_names[k].scope) != 0)
			items[list.count++] = scope_names[k].name;
	return list;
}

const char *
api_key_scopes_text(struct arena *arena, unsigned int scopes)
{
	struct string_list list = scope_list(arena, scopes);
	struct text text = text_new(arena, 32);

	for (size_t i = 0; i < list.count; i++)
		text_printf(&text, "%s%s", i == 0 ? "" : ", ", list.items[i]);
	return text.data;
}

enum fail
api_key_find(struct operation *operation, const struct sha256 *digest, struct api_key *out,
             bool *found)
{
	return db_row(operation->db, operation->task, &statements[FIND],
	              PARAMETERS(param_digest(operation->task, digest)), out, found);
}

void
api_key_find_ahead(struct operation *operation, const struct sha256 *digest,
                   enum fail (*judge)(void *context, struct task *task, const void *row),
                   void *context)
{
	struct arena *arena = operation->task->arena;
	const char **values = arena_array(arena, 1, sizeof(*values));
	struct db_ahead *ahead = arena_alloc(arena, sizeof(*ahead));

	values[0] = param_digest(operation->task, digest);
	*ahead = (struct db_ahead){&statements[FIND], {values, 1}, judge, context};
	db_send_ahead(operation->db, ahead);
}

const char *
api_key_param_file(struct task *task, const struct api_key *key)
{
	return key->file_key.data == NULL ? NULL : param_bytes(task, key->file_key);
}

enum fail
api_key_touch(struct operation *operation, const struct api_key *key, const char *secret)
{
	struct task *task = operation->task;
	struct api_key known = {0};

	if (key->customer_id != NULL)
		known.file_key = file_key_public(task->arena, secret);
	return db_run(operation->db, task, &statements[TOUCH],
	              PARAMETERS(key->key_id, api_key_param_file(task, &known)), NULL);
}

void
api_key_make(struct operation *operation, const char *customer_id, const char *role,
             const char *name, unsigned int scopes, struct api_key_minted *out)
{
	struct arena *arena = operation->task->arena;
	const char *start = customer_id == NULL ? "gba" : customer_id;
	struct sha256 *digest = arena_alloc(arena, sizeof(*digest));

	out->secret = random_id(arena, arena_printf(arena, "%s_", start), 32);
	*digest = digest_sha256(out->secret, strlen(out->secret));
	out->key = (struct api_key){
	        .key_id = random_id(arena, "key_", 12),
	        .customer_id = customer_id,
	        .role = role,
	        .name = name,
	        .prefix = arena_copy_bytes(arena, out->secret, strlen(start) + 1 + 6),
	        .digest = {digest->bytes, sizeof(digest->bytes)},
	        .scopes = scope_list(arena, scopes),
	        .created_at = INSTANT_MS(operation->now_ms),
	};
	if (customer_id != NULL)
		out->key.file_key = file_key_public(arena, out->secret);
}

/* Locks the customer, so that requests at the same time count one after the other. */
static enum fail
check_count(struct operation *operation, const char *customer_id)
{
	struct task *task = operation->task;
	struct key_count keys = {0};
	int64_t locked;
	bool found;

	TRY(db_run(operation->db, task, &statements[LOCK], PARAMETERS(customer_id), &locked));
	if (locked == 0)
		return fail_customer_not_found(task);
	TRY(db_row(operation->db, task, &statements[COUNT],
	           PARAMETERS(customer_id, param_now(operation)), &keys, &found));
	if (keys.live >= API_KEYS_LIVE_MAX)
		return task_fail(task, FAIL_CONFLICT, "too_many_keys",
		                 "The customer has %d live keys; revoke one first.",
		                 API_KEYS_LIVE_MAX);
	if (keys.made >= API_KEYS_DAY_MAX)
		return task_fail(
		        task, FAIL_LIMITED, "too_many_keys_made",
		        "%d keys were made for the customer within a day; try again later.",
		        API_KEYS_DAY_MAX);
	return FAIL_NONE;
}

/* The key's rights, for the audit trail. */
static const char *
rights_of(struct task *task, const struct api_key *key)
{
	struct json_out json = json_out_new(task->arena, 128);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "role", key->role);
	json_out_open(&json, "scopes", '[');
	for (size_t i = 0; i < key->scopes.count; i++)
		json_out_string(&json, NULL, key->scopes.items[i]);
	json_out_close(&json, ']');
	json_out_close(&json, '}');
	return json.text.data;
}

enum fail
api_key_create(struct operation *operation, const char *customer_id, const char *role,
               const char *name, unsigned int scopes, struct api_key_minted *out)
{
	struct task *task = operation->task;
	const struct api_key *key = &out->key;
	enum fail kind;

	api_key_make(operation, customer_id, role, name, scopes, out);
	TRY(db_begin(operation->db, task));
	if (customer_id != NULL)
		TRY(check_count(operation, customer_id));
	kind = db_run(
	        operation->db, task, &statements[CREATE],
	        PARAMETERS(key->key_id, customer_id, role, name, param_bytes(task, key->digest),
	                   key->prefix, param_list(task, &key->scopes),
	                   param_time(task, key->created_at), api_key_param_file(task, key)),
	        NULL);
	if (kind == FAIL_CONFLICT) {
		task_clear(task);
		return task_fail(task, FAIL_CONFLICT, "operator_exists",
		                 "There is an operator of that name.");
	}
	TRY(kind);
	TRY(audit_record_values(operation, "key_create", customer_id, key->key_id, role, NULL,
	                        rights_of(task, key)));
	TRY(event_write(operation, EVENT_KEY_CREATED, customer_id,
	                api_key_text(task->arena, key)));
	return db_commit(operation->db, task);
}

enum fail
api_key_list(struct operation *operation, const char *customer_id, const struct api_key **out,
             size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[LIST],
	               PARAMETERS(customer_id), (void *)out, count);
}

enum fail
api_key_revoke(struct operation *operation, const char *customer_id, const char *key_id)
{
	struct task *task = operation->task;
	struct api_key key;
	bool revoked;

	TRY(db_begin(operation->db, task));
	TRY(db_row(operation->db, task, &statements[REVOKE],
	           PARAMETERS(key_id, customer_id, param_now(operation)), &key, &revoked));
	if (!revoked)
		return task_fail(task, FAIL_NOT_FOUND, "key_not_found",
		                 "There is no such live key.");
	/* Not counted as a change: a stolen key must not be able to use up the day's changes and so
	 * prevent its revocation. The keys that are made within a day are bounded. */
	TRY(audit_record(operation, "key_revoke", customer_id, key_id, NULL));
	TRY(event_write(operation, EVENT_KEY_REVOKED, customer_id,
	                api_key_text(task->arena, &key)));
	return db_commit(operation->db, task);
}

enum fail
api_key_revoke_all(struct operation *operation, const char *customer_id)
{
	struct task *task = operation->task;
	const struct api_key *keys;
	size_t count;

	TRY(db_rows(operation->db, task, &statements[REVOKE_ALL],
	            PARAMETERS(customer_id, param_now(operation)), (void *)&keys, &count));
	for (size_t i = 0; i < count; i++)
		TRY(event_write(operation, EVENT_KEY_REVOKED, customer_id,
		                api_key_text(task->arena, &keys[i])));
	return FAIL_NONE;
}

static const struct column key_columns[] = COLUMNS(struct api_key, key_id, name, prefix, scopes,
                                                   created_at, last_used_at, revoked_at);

void
render_key(struct json_out *json, const char *name, const struct api_key *key)
{
	render_row(json, name, key_columns, key);
}

const char *
api_key_text(struct arena *arena, const struct api_key *key)
{
	struct json_out json = json_out_new(arena, 512);

	render_key(&json, NULL, key);
	return json.text.data;
}

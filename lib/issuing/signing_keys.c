/* signing_keys.c: the signing keys that all hosts of a database agree on. */
#include "issuing/signing_keys.h"

#include <string.h>

#include <openssl/evp.h>

#include "base/text.h"
#include "billing/audit.h"
#include "db/render.h"
#include "events/log.h"
#include "issuing/licenses.h"

struct version_row {
	const char *version;
};

enum {
	LIST,
	REGISTER,
	VERSION,
	UNKNOWN,
	LOCK,
	ADD,
	RETIRE_CURRENT,
	USE,
	IMPORT,
	WITHDRAW,
	DISTRUST,
	WAKE
};

static const struct statement statements[] = {
        [LIST] = {"signing_key_list",
                  ROWS_WITH(struct signing_key, kid, public_pem, state, added_at, used_at,
                            retired_at, publish_until, distrusted_at, imported_at, published),
                  .sql = "SELECT kid, public_pem, state, added_at, used_at, retired_at, "
                         "publish_until, distrusted_at, imported_at, state IN ('added', "
                         "'current') "
                         "OR (state = 'retired' AND (publish_until > $1::timestamptz "
                         "OR EXISTS (SELECT FROM licenses l WHERE l.kid = k.kid "
                         "AND l.expires_at > $1::timestamptz))) AS published "
                         "FROM signing_keys k ORDER BY state = 'current' DESC, "
                         "state = 'added' DESC, retired_at DESC NULLS LAST, kid"},
        /* $3: the key signs in its folder. */
        [REGISTER] =
                {"signing_key_register",
                 .sql = "INSERT INTO signing_keys (kid, public_pem, state, added_at, used_at, "
                        "retired_at, publish_until) "
                        "SELECT $1, $2, CASE WHEN first THEN 'current' ELSE 'retired' END, "
                        "$6::timestamptz, CASE WHEN first THEN $6::timestamptz END, "
                        "CASE WHEN NOT first THEN COALESCE($4::timestamptz, $6) END, "
                        "CASE WHEN NOT first THEN COALESCE($5::timestamptz, $6) END "
                        "FROM (SELECT $3::boolean AND NOT EXISTS (SELECT FROM signing_keys "
                        "WHERE state = 'current') AS first) AS one "
                        "WHERE first OR $5::timestamptz > $6::timestamptz "
                        "OR EXISTS (SELECT FROM licenses l WHERE l.kid = $1 "
                        "AND l.expires_at > $6::timestamptz) ON CONFLICT DO NOTHING"},
        [VERSION] = {"signing_key_version", ROWS_WITH(struct version_row, version),
                     .sql = "SELECT COALESCE(md5(string_agg(kid || ' ' || state "
                            "|| CASE WHEN imported_at IS NULL THEN '' ELSE ' imported' END, "
                            "',' ORDER BY kid)), '') AS version FROM signing_keys"},
        /* $1: kids, separated by spaces. */
        [UNKNOWN] = {"signing_key_unknown", ROWS_WITH(struct signing_key_figures, unknown),
                     .sql = "SELECT count(*) AS unknown "
                            "FROM string_to_table($1, ' ') AS served (kid) "
                            "WHERE NOT EXISTS (SELECT FROM signing_keys k "
                            "WHERE k.kid = served.kid AND k.state <> 'distrusted')"},
        [LOCK] = {"signing_key_lock",
                  .sql = "SELECT pg_advisory_xact_lock(hashtextextended('signing-keys', 0))"},
        [ADD] = {"signing_key_add",
                 .sql = "INSERT INTO signing_keys (kid, public_pem, state, added_at) "
                        "VALUES ($1, $2, 'added', $3)"},
        [RETIRE_CURRENT] = {"signing_key_retire_current",
                            .sql = "UPDATE signing_keys SET state = 'retired', "
                                   "retired_at = $1, publish_until = $2 "
                                   "WHERE state = 'current'"},
        [USE] = {"signing_key_use",
                 .sql = "UPDATE signing_keys SET state = 'current', used_at = $2 "
                        "WHERE kid = $1 AND state = 'added'"},
        [IMPORT] =
                {"signing_key_import",
                 .sql = "INSERT INTO signing_keys AS k (kid, public_pem, state, added_at, "
                        "retired_at, publish_until, imported_at) "
                        "VALUES ($1, $2, 'retired', $3, $3, $4, $3) "
                        "ON CONFLICT (kid) DO UPDATE SET imported_at = EXCLUDED.imported_at, "
                        "publish_until = CASE WHEN k.state = 'retired' "
                        "THEN greatest(k.publish_until, EXCLUDED.publish_until) "
                        "ELSE k.publish_until END WHERE k.imported_at IS NULL"},
        [WITHDRAW] = {"signing_key_withdraw",
                      .sql = "UPDATE signing_keys SET state = 'retired', retired_at = $2, "
                             "publish_until = $2 WHERE kid = $1 AND state = 'added'"},
        [DISTRUST] = {"signing_key_distrust",
                      .sql = "UPDATE signing_keys SET state = 'distrusted', "
                             "distrusted_at = $2 WHERE kid = $1 "
                             "AND state IN ('added', 'retired')"},
        [WAKE] = {"signing_key_wake", .sql = "SELECT pg_notify('billing_jobs', '')"},
};

const struct statement_list signing_key_statements = STATEMENT_LIST(statements);

enum fail
signing_key_list(struct operation *operation, const struct signing_key **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[LIST],
	               PARAMETERS(param_now(operation)), (void *)out, count);
}

const struct signing_key *
signing_key_find(const struct signing_key *keys, size_t count, const char *kid)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(keys[i].kid, kid) == 0)
			return &keys[i];
	return NULL;
}

const struct signing_key *
signing_key_in(const struct signing_key *keys, size_t count, const char *state)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(keys[i].state, state) == 0)
			return &keys[i];
	return NULL;
}

static enum fail
register_key(struct operation *operation, const struct license_key *key)
{
	struct task *task = operation->task;

	return db_run(operation->db, task, &statements[REGISTER],
	              PARAMETERS(key->kid, key->public_pem, key->can_sign ? "true" : "false",
	                         param_time(task, key->retired_at),
	                         param_time(task, key->publish_until), param_now(operation)),
	              NULL);
}

/* The key that signs comes first, or the others would not be known to be older. */
static enum fail
register_all(struct operation *operation, const struct license_keys *keys)
{
	const struct license_key *signing = license_keys_signing(keys);

	TRY(signing_keys_lock(operation));
	TRY(register_key(operation, signing));
	for (size_t i = 0; i < keys->count; i++)
		TRY(register_key(operation, &keys->items[i]));
	return db_commit(operation->db, operation->task);
}

enum fail
signing_keys_register(struct operation *operation, const char *dir)
{
	struct license_keys keys = {0};
	enum fail kind;

	TRY(license_keys_load(operation->task, dir, true, operation->now_ms, &keys));
	kind = register_all(operation, &keys);
	license_keys_release(&keys);
	return kind;
}

/* Adds one published key, with its private half if it is the current one and the folder has it. */
static enum fail
add_row(struct task *task, const struct signing_key *row, const struct license_keys *folder,
        struct license_keys *out)
{
	const struct license_key *here = license_keys_find(folder, row->kid);
	struct license_key *added;

	if (strcmp(row->state, "current") == 0 && here != NULL) {
		EVP_PKEY_up_ref(here->pkey);
		TRY(license_keys_add(task, out, here->pkey, "The signing key", true, &added));
		if (added != NULL)
			added->imported = row->imported_at.known;
		return FAIL_NONE;
	}
	TRY(license_keys_add_public(task, out, row->public_pem, &added));
	if (added != NULL) {
		added->retired_at = row->retired_at;
		added->publish_until = row->publish_until;
		added->imported = row->imported_at.known;
	}
	return FAIL_NONE;
}

static enum fail
add_rows(struct task *task, const struct signing_key *rows, size_t count,
         const struct license_keys *folder, struct license_keys *out)
{
	for (size_t i = 0; i < count; i++)
		if (rows[i].published)
			TRY(add_row(task, &rows[i], folder, out));
	return FAIL_NONE;
}

enum fail
signing_keys_load(struct operation *operation, const char *dir, struct license_keys *out)
{
	struct task *task = operation->task;
	const struct signing_key *rows = NULL;
	struct license_keys folder = {0};
	size_t count = 0;
	enum fail kind;

	*out = (struct license_keys){0};
	TRY(signing_key_list(operation, &rows, &count));
	if (count == 0)
		return license_keys_load(task, dir, true, operation->now_ms, out);
	TRY(license_keys_load_private(task, dir, &folder));
	license_keys_init(out);
	kind = add_rows(task, rows, count, &folder, out);
	if (kind != FAIL_NONE)
		license_keys_release(out);
	license_keys_release(&folder);
	return kind;
}

enum fail
signing_key_figures(struct operation *operation, struct signing_key_figures *out)
{
	const struct license_keys *keys = &operation->billing->keys;
	struct task *task = operation->task;
	struct text kids = text_new(task->arena, keys->count * (LICENSE_KID_LENGTH + 1));
	bool found;

	for (size_t i = 0; i < keys->count; i++)
		text_printf(&kids, "%s%s", i == 0 ? "" : " ", keys->items[i].kid);
	TRY(db_row(operation->db, task, &statements[UNKNOWN], PARAMETERS(kids.data), out,
	           &found));
	out->missing = license_keys_signing(keys) == NULL;
	return FAIL_NONE;
}

enum fail
signing_keys_leftover(struct operation *operation, const char *dir, const char **name)
{
	const struct signing_key *rows = NULL;
	size_t count = 0;

	*name = NULL;
	TRY(signing_key_list(operation, &rows, &count));
	for (size_t i = 0; i < count && *name == NULL; i++)
		if (!rows[i].published)
			TRY(license_keys_leftover(operation->task, dir, rows[i].kid, name));
	return FAIL_NONE;
}

enum fail
signing_keys_tidy(struct operation *operation, const char *dir)
{
	const char *name;

	TRY(signing_keys_leftover(operation, dir, &name));
	while (name != NULL) {
		TRY(license_keys_remove(operation->task, dir, name));
		TRY(signing_keys_leftover(operation, dir, &name));
	}
	return FAIL_NONE;
}

enum fail
signing_keys_version(struct operation *operation, const char **out)
{
	struct version_row row = {.version = ""};
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[VERSION], NO_PARAMETERS, &row,
	           &found));
	*out = row.version;
	return FAIL_NONE;
}

enum fail
signing_keys_lock(struct operation *operation)
{
	TRY(db_begin(operation->db, operation->task));
	return db_run(operation->db, operation->task, &statements[LOCK], NO_PARAMETERS, NULL);
}

static const struct column shown_columns[] =
        COLUMNS(struct signing_key, kid, state, added_at, used_at, retired_at, publish_until,
                distrusted_at);

/* Writes an event of the key as it is now. */
static enum fail
tell(struct operation *operation, enum event_type type, const char *kid)
{
	struct json_out json = json_out_new(operation->task->arena, 256);
	const struct signing_key *keys, *key;
	size_t count;

	TRY(signing_key_list(operation, &keys, &count));
	key = signing_key_find(keys, count, kid);
	if (key == NULL)
		return FAIL_NONE;
	render_row(&json, NULL, shown_columns, key);
	return event_write(operation, type, NULL, json.text.data);
}

/* Records a change, and wakes the jobs of all hosts when it is committed. */
static enum fail
record(struct operation *operation, const char *action, const char *kid, const char *detail)
{
	TRY(db_run(operation->db, operation->task, &statements[WAKE], NO_PARAMETERS, NULL));
	return audit_record(operation, action, NULL, kid, detail);
}

/* Runs a statement that must change the one row. */
static enum fail
change(struct operation *operation, int statement, const char *kid)
{
	int64_t rows;

	TRY(db_run(operation->db, operation->task, &statements[statement],
	           PARAMETERS(kid, param_now(operation)), &rows));
	if (rows == 1)
		return FAIL_NONE;
	return task_fail(operation->task, FAIL_CONFLICT, "key_state",
	                 "The key %s was changed at this moment; see: billingctl keys list.",
	                 kid);
}

enum fail
signing_key_add(struct operation *operation, const char *kid, const char *public_pem)
{
	TRY(db_run(operation->db, operation->task, &statements[ADD],
	           PARAMETERS(kid, public_pem, param_now(operation)), NULL));
	TRY(tell(operation, EVENT_SIGNING_KEY_ADDED, kid));
	return record(operation, "signing_key.added", kid, NULL);
}

enum fail
signing_key_use(struct operation *operation, const char *kid, struct instant publish_until)
{
	const char *until = param_time(operation->task, publish_until);
	const struct signing_key *keys, *before;
	size_t count;

	TRY(signing_key_list(operation, &keys, &count));
	before = signing_key_in(keys, count, "current");
	TRY(db_run(operation->db, operation->task, &statements[RETIRE_CURRENT],
	           PARAMETERS(param_now(operation), until), NULL));
	TRY(change(operation, USE, kid));
	if (before != NULL)
		TRY(tell(operation, EVENT_SIGNING_KEY_RETIRED, before->kid));
	TRY(tell(operation, EVENT_SIGNING_KEY_USED, kid));
	return record(operation, "signing_key.used", kid, NULL);
}

enum fail
signing_key_import(struct operation *operation, const struct license_key *key,
                   struct instant publish_until, bool *changed)
{
	struct task *task = operation->task;
	int64_t rows;

	TRY(db_run(operation->db, task, &statements[IMPORT],
	           PARAMETERS(key->kid, key->public_pem, param_now(operation),
	                      param_time(task, publish_until)),
	           &rows));
	*changed = rows > 0;
	return rows > 0 ? record(operation, "signing_key.imported", key->kid, NULL) : FAIL_NONE;
}

enum fail
signing_key_withdraw(struct operation *operation, const char *kid)
{
	TRY(change(operation, WITHDRAW, kid));
	TRY(tell(operation, EVENT_SIGNING_KEY_RETIRED, kid));
	return record(operation, "signing_key.retired", kid, NULL);
}

enum fail
signing_key_distrust(struct operation *operation, const char *kid, const char *why)
{
	TRY(change(operation, DISTRUST, kid));
	TRY(tell(operation, EVENT_SIGNING_KEY_DISTRUSTED, kid));
	return record(operation, "signing_key.distrusted", kid, why);
}

/* role.c: makes the role that the service connects as, and limits it. */
#include "db/role.h"

#include <string.h>

#include "base/arena.h"
#include "db/internal.h"

extern const char db_role_sql[]; /* role.sql */

/* Whether the role exists, and whether the connection's role may make it. */
struct role_state {
	const char *own_name;
	bool present;
	bool may_create;
	bool limited;
};

enum { FACTS, STATE, PASS };

static const struct statement statements[] = {
        [FACTS] = {"role_facts", ROWS_WITH(struct role_facts, name, owns, limited),
                   .sql = "SELECT current_user::text AS name, coalesce((SELECT "
                          "pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = "
                          "to_regclass('schema_migrations')), true) AS owns, "
                          "'0' <> ALL (ARRAY[current_setting('statement_timeout'), "
                          "current_setting('lock_timeout'), "
                          "current_setting('idle_in_transaction_session_timeout')]) "
                          "AS limited"},
        [STATE] = {"role_state",
                   ROWS_WITH(struct role_state, own_name, present, may_create, limited),
                   .sql = "SELECT current_user::text AS own_name, "
                          "EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS present, "
                          "rolsuper OR rolcreaterole AS may_create, "
                          "EXISTS (SELECT FROM pg_db_role_setting s "
                          "  JOIN pg_database d ON d.oid = s.setdatabase "
                          "  JOIN pg_roles r ON r.oid = s.setrole "
                          "  WHERE d.datname = current_database() AND r.rolname = $1 "
                          "  AND 'statement_timeout=' || $2::text = ANY (s.setconfig)) "
                          "AS limited FROM pg_roles WHERE rolname = current_user"},
        [PASS] = {"role_pass", .sql = "SELECT set_config('billing.role', $1, true), "
                                      "set_config('billing.verifier', $2, true), "
                                      "set_config('billing.statement_timeout', $3, true), "
                                      "set_config('billing.idle_timeout', $4, true)"},
};

const struct statement_list role_statements = STATEMENT_LIST(statements);

enum fail
role_facts_read(struct db *db, struct task *task, struct role_facts *out)
{
	bool found;

	return db_row(db, task, &statements[FACTS], NO_PARAMETERS, out, &found);
}

/* The verifier that the server stores in place of the password; empty without one. The password
 * itself is not sent, so it cannot get into the server's log. */
static const char *
verifier_of(struct db *db, struct task *task, const char *role, const char *url)
{
	const char *password = db_url_part(task->arena, url, "password");
	char *made, *kept;

	if (password == NULL || *password == '\0' || db->connection == NULL)
		return "";
	made = PQencryptPasswordConn(db->connection, password, role, "scram-sha-256");
	kept = arena_copy(task->arena, made == NULL ? "" : made);
	PQfreemem(made);
	return kept;
}

/* Runs role.sql and the grants (NULL: none) for the role, in one transaction. */
static enum fail
apply(struct db *db, struct task *task, const struct db_options *service, const char *role,
      const char *grants)
{
	int64_t timeout_ms = service->statement_timeout_ms;

	TRY(db_begin(db, task));
	TRY(db_run(db, task, &statements[PASS],
	           PARAMETERS(role, verifier_of(db, task, role, service->url),
	                      param_int(task, timeout_ms),
	                      param_int(task, timeout_ms * 2 + service->pause_ms)),
	           NULL));
	TRY(db_script(db, task, db_role_sql));
	if (grants != NULL)
		TRY(db_script(db, task, grants));
	return db_commit(db, task);
}

static enum fail
read_state(struct db *db, struct task *task, const struct db_options *service, const char *role,
           struct role_state *out)
{
	bool found;

	return db_row(db, task, &statements[STATE],
	              PARAMETERS(role, param_int(task, service->statement_timeout_ms)), out,
	              &found);
}

/* The owner could not limit the role, which may limit itself. A failure is left to `billingctl
 * doctor`: the owner's host may be unable to connect as the role. */
static void
limit_itself(struct task *task, const struct db_options *service, const char *role)
{
	struct db *db = db_new(service);

	if (apply(db, task, service, role, NULL) != FAIL_NONE)
		task_clear(task);
	db_free(db);
}

enum fail
role_prepare(struct db *owner, struct task *task, const struct db_options *service,
             const char *grants)
{
	const char *role = db_url_part(task->arena, service->url, "user");
	struct role_state state;

	TRY(read_state(owner, task, service, role, &state));
	if (!state.present && !state.may_create)
		return task_fail(
		        task, FAIL_CONFLICT, "role_missing",
		        "The role %s of DATABASE_URL does not exist, and %s may not make it "
		        "(run: createuser %s).",
		        role, state.own_name, role);
	if (strcmp(role, state.own_name) == 0)
		grants = NULL;
	TRY(apply(owner, task, service, role, grants));
	TRY(read_state(owner, task, service, role, &state));
	if (!state.limited)
		limit_itself(task, service, role);
	return FAIL_NONE;
}

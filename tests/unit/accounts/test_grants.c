/* test_grants.c: the service's role can do what the statements do, and nothing else. */
#include "support/database.h"

#include <libpq-fe.h>

#include "accounts/schema.h"
#include "base/text.h"
#include "db/migrations.h"
#include "db/role.h"

#define ROLE "service_test"

static struct task task;
static struct db *owner;
static PGconn *service;
static struct db_options options;

static void
prepare_role(void)
{
	enum fail kind = role_prepare(owner, &task, &options, accounts_grants_sql);

	ck_assert_msg(kind == FAIL_NONE, "%s", task.failure.message);
}

/* TEST_DATABASE_URL as the role of the service. */
static const char *
service_url(void)
{
	PQconninfoOption *parts = PQconninfoParse(database_url(), NULL);
	struct text url = text_new(task.arena, 256);

	ck_assert_ptr_nonnull(parts);
	for (PQconninfoOption *o = parts; o->keyword != NULL; o++)
		if (o->val != NULL && strcmp(o->keyword, "user") != 0)
			text_printf(&url, "%s='%s' ", o->keyword, o->val);
	PQconninfoFree(parts);
	text_printf(&url, "user=" ROLE);
	return url.data;
}

static void
setup(void)
{
	task = suite_task();
	owner = database_open(database_url(), DATABASE_PATIENT_MS, false);
	options = (struct db_options){
	        .url = service_url(), .statement_timeout_ms = 4321, .pause_ms = 1000};
	database_script(
	        owner, &task,
	        "CREATE TABLE IF NOT EXISTS schema_migrations (version bigint PRIMARY KEY, "
	        "name text NOT NULL, checksum text NOT NULL, "
	        "applied_at timestamptz(3) NOT NULL DEFAULT clock_timestamp())");
	prepare_role();
	service = PQconnectdb(options.url);
	ck_assert_msg(PQstatus(service) == CONNECTION_OK, "%s", PQerrorMessage(service));
}

static void
teardown(void)
{
	PQfinish(service);
	db_free(owner);
	suite_task_end(&task);
}

/* The SQLSTATE of the command, "" when it succeeds. */
static const char *
state_of(const char *sql)
{
	PGresult *result = PQexec(service, sql);
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	state = state == NULL ? "" : arena_copy(task.arena, state);
	PQclear(result);
	return state;
}

static void
prepare_statement(const struct statement *statement)
{
	PGresult *result = PQprepare(service, statement->name, statement->sql, 0, NULL);

	ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s: %s", statement->name,
	              PQresultErrorMessage(result));
	PQclear(result);
}

/* Whether the role may run the statement: EXPLAIN checks that, and runs nothing. */
static bool
may_run(const struct statement *statement)
{
	PGresult *described = PQdescribePrepared(service, statement->name);
	struct text sql = text_new(task.arena, 256);
	const char *state;

	text_printf(&sql, "EXPLAIN EXECUTE \"%s\"", statement->name);
	for (int i = 0; i < PQnparams(described); i++)
		text_printf(&sql, "%s", i == 0 ? "(NULL" : ", NULL");
	text_printf(&sql, "%s", PQnparams(described) > 0 ? ")" : "");
	PQclear(described);
	state = state_of(sql.data);
	ck_assert_msg(strcmp(state, "") == 0 || strcmp(state, "42501") == 0, "%s: %s",
	              statement->name, state);
	return *state == '\0';
}

/* The service's statements; not those of `billingctl migrate`, which runs as the owner. */
static bool
is_of_service(const struct statement_list *list)
{
	return list != &migration_statements;
}

/* Whether a statement that names the table is refused now. */
static bool
something_is_refused(const char *table)
{
	for (const struct statement_list *const *list = billing_statements; *list != NULL;
	     list++)
		for (size_t i = 0; is_of_service(*list) && i < (*list)->count; i++)
			if (strstr((*list)->items[i].sql, table) != NULL &&
			    !may_run(&(*list)->items[i]))
				return true;
	return false;
}

static void
prepare_all(void)
{
	for (const struct statement_list *const *list = billing_statements; *list != NULL;
	     list++)
		for (size_t i = 0; is_of_service(*list) && i < (*list)->count; i++)
			prepare_statement(&(*list)->items[i]);
}

START_TEST(test_every_statement_is_allowed)
{
	prepare_all();
	for (const struct statement_list *const *list = billing_statements; *list != NULL;
	     list++)
		for (size_t i = 0; is_of_service(*list) && i < (*list)->count; i++)
			ck_assert_msg(may_run(&(*list)->items[i]),
			              "%s needs a line in grants.sql", (*list)->items[i].name);
	ck_assert_str_eq(state_of("SELECT version FROM schema_migrations"), "");
	ck_assert_str_eq(state_of("SELECT usage_partitions_make(now(), 3)"), "");
	ck_assert_str_eq(state_of("SELECT usage_partition_detach(now(), now(), true)"), "");
	ck_assert_str_eq(state_of("SELECT usage_partitions_drop()"), "");
	ck_assert_str_eq(state_of("SELECT nextval('usage_ids')"), "");
}
END_TEST

/* Without any one of the privileges some statement is refused. The audit trail is read by operators
 * in psql only, a trigger adds to license_revocations, event_add() to the events, and instances_admit() and
 * instance_event_add() count. */
START_TEST(test_every_privilege_is_needed)
{
	PGresult *rows;

	prepare_all();
	rows = PQexec(service, "SELECT table_name, privilege_type FROM "
	                       "information_schema.role_table_grants WHERE grantee = '" ROLE
	                       "' AND table_name <> 'schema_migrations' "
	                       "AND (table_name, privilege_type) NOT IN "
	                       "(('audit_log', 'SELECT'), ('license_revocations', 'INSERT'), "
	                       "('events', 'INSERT')) "
	                       "AND table_name NOT IN "
	                       "('event_sequences', 'instance_counts', 'instance_events')");
	ck_assert_int_gt(PQntuples(rows), 40);
	for (int i = 0; i < PQntuples(rows); i++) {
		const char *table = PQgetvalue(rows, i, 0), *privilege = PQgetvalue(rows, i, 1);

		database_script(owner, &task,
		                arena_printf(task.arena, "REVOKE %s ON %s FROM " ROLE,
		                             privilege, table));
		ck_assert_msg(something_is_refused(table), "no statement needs %s on %s",
		              privilege, table);
		database_script(
		        owner, &task,
		        arena_printf(task.arena, "GRANT %s ON %s TO " ROLE, privilege, table));
	}
	PQclear(rows);
}
END_TEST

START_TEST(test_every_table_has_a_line)
{
	ck_assert_int_eq(
	        database_number(
	                owner, &task,
	                "SELECT count(*) FROM pg_class WHERE relnamespace = "
	                "'public'::regnamespace AND relkind IN ('r', 'p') AND NOT "
	                "relispartition AND relname !~ '^(usage_reports|events)_' AND NOT "
	                "has_table_privilege('" ROLE "', oid, 'SELECT')"),
	        0);
}
END_TEST

START_TEST(test_what_is_refused)
{
	static const char *const refused[] = {
	        "UPDATE audit_log SET actor = 'x'",
	        "DELETE FROM audit_log",
	        "TRUNCATE audit_log",
	        "DROP TABLE audit_log",
	        "ALTER TABLE audit_log DISABLE TRIGGER ALL",
	        "ALTER TABLE customers ADD note text",
	        "CREATE TABLE mine (n bigint)",
	        "CREATE TEMPORARY TABLE mine (n bigint)",
	        "CREATE FUNCTION mine() RETURNS bigint LANGUAGE sql RETURN 1",
	        "CREATE OR REPLACE FUNCTION usage_partitions_drop() RETURNS bigint RETURN 1",
	        "DELETE FROM schema_migrations",
	        "INSERT INTO schema_migrations VALUES (99, 'x', 'x')",
	        "DELETE FROM customers",
	        "DELETE FROM licenses",
	        "CREATE ROLE mine",
	        "COPY audit_log TO PROGRAM 'true'",
	        "SELECT pg_read_file('postgresql.conf')",
	};

	for (int i = 0; i < ROWS(refused); i++)
		ck_assert_msg(strcmp(state_of(refused[i]), "42501") == 0, "%s: %s", refused[i],
		              state_of(refused[i]));
}
END_TEST

/* A second run changes nothing, so `migrate up` may run at every start. */
START_TEST(test_a_second_run_changes_nothing)
{
	const char *changes = "SELECT sum(xmin::text::bigint) FROM pg_class";
	int64_t before = database_number(owner, &task, changes);

	prepare_role();
	ck_assert_int_eq(database_number(owner, &task, changes), before);
	/* A privilege that was granted by hand is revoked. */
	database_script(owner, &task, "GRANT ALL ON audit_log TO " ROLE);
	prepare_role();
	ck_assert_str_eq(state_of("DELETE FROM audit_log"), "42501");
}
END_TEST

/* A pooler drops the options of a connection, so the role has the limits too. */
START_TEST(test_limits_of_the_role)
{
	static const char *const wanted[][2] = {
	        {"statement_timeout", "4321ms"},
	        {"lock_timeout", "4321ms"},
	        {"idle_in_transaction_session_timeout", "9642ms"},
	        {"jit", "off"},
	        {"TimeZone", "UTC"}};

	for (int i = 0; i < ROWS(wanted); i++) {
		PGresult *shown =
		        PQexec(service, arena_printf(task.arena, "SHOW %s", wanted[i][0]));

		ck_assert_str_eq(PQgetvalue(shown, 0, 0), wanted[i][1]);
		PQclear(shown);
	}
}
END_TEST

START_TEST(test_facts)
{
	struct db *db = db_new(&options);
	struct role_facts facts;

	ck_assert_int_eq(role_facts_read(db, &task, &facts), FAIL_NONE);
	ck_assert_str_eq(facts.name, ROLE);
	ck_assert(!facts.owns && facts.limited);
	db_free(db);
	ck_assert_int_eq(role_facts_read(owner, &task, &facts), FAIL_NONE);
	ck_assert(facts.owns);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("grants");
	TCase *tcase = tcase_create("grants");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_every_statement_is_allowed);
	tcase_add_test(tcase, test_every_privilege_is_needed);
	tcase_add_test(tcase, test_every_table_has_a_line);
	tcase_add_test(tcase, test_what_is_refused);
	tcase_add_test(tcase, test_a_second_run_changes_nothing);
	tcase_add_test(tcase, test_limits_of_the_role);
	tcase_add_test(tcase, test_facts);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}

/*
 * test_migrations.c: each file is applied once and in order, also after errors, crashes and in
 * races.
 *
 * Works in databases of its own beside TEST_DATABASE_URL, whose role must be allowed to create
 * them.
 */
#include "support/database.h"

#include <stdint.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/random.h"
#include "base/text.h"
#include "db/db.h"
#include "db/migrations.h"

/* Shorter than some of the scripts below: migrations have no time limit. */
enum { TIMEOUT_MS = 200 };

static struct task task;
static const char *folder;
static const char *database;
static struct db *server;
static struct db *db;

static struct db *
connect_to(const char *url)
{
	struct db_options options = {.url = url,
	                             .prepared = true,
	                             .statement_timeout_ms = TIMEOUT_MS,
	                             .application_name = "test_migrations"};

	return db_new(&options);
}

static void
run_sql(struct db *where, const char *sql)
{
	ck_assert_msg(db_script(where, &task, sql) == FAIL_NONE, "%s: %s", sql,
	              task.failure.message);
}

static void
make_database(const char *options)
{
	database = random_id(task.arena, "test_migrations_", 6);
	run_sql(server, arena_printf(task.arena, "CREATE DATABASE %s TEMPLATE template0 %s",
	                             database, options));
	db = connect_to(database_url_of(&task, database));
}

static void
drop_database(void)
{
	db_free(db);
	run_sql(server, arena_printf(task.arena, "DROP DATABASE %s WITH (FORCE)", database));
}

static void
setup_server(void)
{
	struct db_options options = {
	        .prepared = true, .statement_timeout_ms = 60000, .application_name = "tests"};

	task = suite_task();
	task.request_id = "test";
	folder = suite_folder(task.arena);
	options.url = getenv("TEST_DATABASE_URL");
	ck_assert_msg(options.url != NULL, "TEST_DATABASE_URL is not set");
	server = db_new(&options);
}

static void
teardown_server(void)
{
	db_free(server);
	suite_folder_remove(task.arena, folder);
	suite_task_end(&task);
}

static void
setup(void)
{
	setup_server();
	make_database("ENCODING 'UTF8' LOCALE 'C.UTF-8'");
}

static void
teardown(void)
{
	drop_database();
	teardown_server();
}

static void
write_file(const char *name, const char *sql)
{
	ck_assert_int_eq(file_write(&task, arena_printf(task.arena, "%s/%s", folder, name),
	                            0644, sql, strlen(sql), true),
	                 FAIL_NONE);
}

static void
remove_file(const char *name)
{
	ck_assert_int_eq(unlink(arena_printf(task.arena, "%s/%s", folder, name)), 0);
}

static size_t
apply(void)
{
	size_t applied = 0;

	ck_assert_msg(migrations_apply(db, &task, folder, &applied) == FAIL_NONE, "%s",
	              task.failure.message);
	return applied;
}

/* The code with which applying fails, and that reading agrees where it must. */
static const char *
refusal(void)
{
	size_t applied = 0;

	task_clear(&task);
	ck_assert_int_ne(migrations_apply(db, &task, folder, &applied), FAIL_NONE);
	return task.failure.code;
}

static bool
table_exists(const char *name)
{
	struct present {
		bool present;
	} row = {false};
	const struct column columns[] = COLUMNS(struct present, present);
	const struct statement statement = {
	        .name = random_id(task.arena, "test_", 8),
	        .sql = "SELECT to_regclass($1) IS NOT NULL AS present",
	        .columns = columns,
	        .row_size = sizeof(row)};
	bool found;

	task_clear(&task);
	ck_assert_int_eq(db_row(db, &task, &statement, PARAMETERS(name), &row, &found),
	                 FAIL_NONE);
	/* The connection must forget a statement that ends with this function. */
	db_free(db);
	db = connect_to(database_url_of(&task, database));
	return row.present;
}

static size_t
count_pending(void)
{
	struct migration *migrations = NULL;
	size_t count = 0, pending = 0;

	ck_assert_int_eq(migrations_read(db, &task, folder, &migrations, &count, &pending),
	                 FAIL_NONE);
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(migrations[i].version, (int64_t)i + 1);
	return pending;
}

START_TEST(test_once_and_in_order)
{
	write_file("001_first.sql", "CREATE TABLE a (n bigint); INSERT INTO a VALUES (1);");
	write_file("002_second.sql", "-- Grüße\nALTER TABLE a ADD m bigint;");
	write_file("README", "no migration");
	ck_assert_uint_eq(count_pending(), 2);
	ck_assert_uint_eq(apply(), 2);
	ck_assert_uint_eq(count_pending(), 0);
	ck_assert_uint_eq(apply(), 0);
	write_file("003_third.sql", "-- nothing\n");
	ck_assert_uint_eq(count_pending(), 1);
	ck_assert_uint_eq(apply(), 1);
}
END_TEST

static size_t
count_pending_of(const struct migration_list *known)
{
	size_t pending = 0;

	ck_assert_int_eq(migrations_count_pending(db, &task, known, &pending), FAIL_NONE);
	return pending;
}

START_TEST(test_a_program_needs_the_files_of_its_start)
{
	struct migration_list known, copy;

	write_file("001_first.sql", "CREATE TABLE a (n bigint)");
	ck_assert_int_eq(migrations_know(&task, folder, &known), FAIL_NONE);
	ck_assert_uint_eq(known.count, 1);
	copy = migrations_copy(task.arena, &known);
	ck_assert_uint_eq(count_pending_of(&known), 1);
	ck_assert_uint_eq(apply(), 1);
	write_file("002_second.sql", "CREATE TABLE b (n bigint)");
	ck_assert_uint_eq(count_pending(), 1);
	ck_assert_uint_eq(count_pending_of(&known), 0);
	ck_assert_uint_eq(count_pending_of(&copy), 0);
	ck_assert_uint_eq(apply(), 1);
	write_file("001_first.sql", "CREATE TABLE a ()");
	ck_assert_uint_eq(count_pending_of(&known), 0);
	ck_assert_int_eq(migrations_know(&task, folder, &known), FAIL_NONE);
	ck_assert_int_eq(migrations_count_pending(db, &task, &known, &(size_t){0}),
	                 FAIL_CONFLICT);
	ck_assert_str_eq(task.failure.code, "migration_changed");
}
END_TEST

START_TEST(test_the_schema_of_this_project)
{
	struct migration *migrations = NULL;
	size_t count = 0, pending = 0, applied = 0;

	ck_assert_int_eq(migrations_apply(db, &task, "migrations", &applied), FAIL_NONE);
	ck_assert_int_eq(
	        migrations_read(db, &task, "migrations", &migrations, &count, &pending),
	        FAIL_NONE);
	ck_assert_uint_eq(applied, count);
	ck_assert_uint_eq(pending, 0);
	for (size_t i = 0; i < count; i++)
		ck_assert(migrations[i].applied_at.known);
	for (size_t i = 0; i < migration_statements.count; i++)
		ck_assert_msg(db_check_statement(db, &task, &migration_statements.items[i]) ==
		                      FAIL_NONE,
		              "%s", task.failure.message);
}
END_TEST

static const struct {
	const char *first, *second;
} bad_folders[] = {
        {"001_a.sql", "003_b.sql"},
        {"001_a.sql", "001_b.sql"},
        {"002_a.sql", NULL},
        {"1_a.sql", NULL},
        {"0001_a.sql", NULL},
        {"001-a.sql", NULL},
        {"001_.sql", NULL},
        {"001_A.sql", NULL},
        {"001_a.b.sql", NULL},
        {"000_a.sql", NULL},
        {"a.sql", NULL},
        {"001_a.sql", "x002_b.sql"},
        {NULL, NULL},
};

START_TEST(test_bad_folders)
{
	if (bad_folders[_i].first != NULL)
		write_file(bad_folders[_i].first, "CREATE TABLE a ()");
	if (bad_folders[_i].second != NULL)
		write_file(bad_folders[_i].second, "CREATE TABLE b ()");
	ck_assert_str_eq(refusal(), "migration_invalid");
	ck_assert(!table_exists("a"));
}
END_TEST

START_TEST(test_missing_folder_and_strange_bytes)
{
	write_file("001_a.sql", "SELECT '\xff'");
	ck_assert_str_eq(refusal(), "migration_invalid");
	remove_file("001_a.sql");
	folder = arena_printf(task.arena, "%s/none", folder);
	ck_assert_str_eq(refusal(), "file_unreadable");
	folder = arena_copy_bytes(task.arena, folder, strlen(folder) - strlen("/none"));
}
END_TEST

START_TEST(test_a_changed_file_is_refused)
{
	struct migration *migrations = NULL;
	size_t count, pending;

	write_file("001_a.sql", "CREATE TABLE a ()");
	ck_assert_uint_eq(apply(), 1);
	write_file("001_a.sql", "CREATE TABLE a () ");
	write_file("002_b.sql", "CREATE TABLE b ()");
	ck_assert_str_eq(refusal(), "migration_changed");
	ck_assert_ptr_nonnull(strstr(task.failure.message, "001_a.sql"));
	task_clear(&task);
	ck_assert_int_eq(migrations_read(db, &task, folder, &migrations, &count, &pending),
	                 FAIL_CONFLICT);
	ck_assert(!table_exists("b"));
}
END_TEST

START_TEST(test_an_old_program_on_a_newer_schema)
{
	write_file("001_a.sql", "CREATE TABLE a ()");
	write_file("002_b.sql", "CREATE TABLE b ()");
	ck_assert_uint_eq(apply(), 2);
	remove_file("002_b.sql");
	ck_assert_uint_eq(count_pending(), 0);
	ck_assert_uint_eq(apply(), 0);
}
END_TEST

static const struct {
	const char *sql, *says;
} bad_scripts[] = {
        {"CREATE TABLE b ();\n-- é\nCREATE TABLE c (n nonsense);", "002_b.sql, line 3: type"},
        {"CREATE TABLE b ();\nSELECT 1 / 0;", "division by zero"},
        {"CREATE TABLE b ();\nCOMMIT;", "ends its transaction"},
        {"CREATE TABLE b ();\nROLLBACK;", "ends its transaction"},
        {"CREATE TABLE b ();\n'", "unterminated"},
        {"CREATE TABLE b ();\nCOPY b FROM STDIN;", "COPY"},
        {"CREATE TABLE b ();\nSELECT pg_terminate_backend(pg_backend_pid());", ""},
};

/* A script that fails is not recorded as applied; the corrected one is applied. */
START_TEST(test_bad_scripts)
{
	write_file("001_a.sql", "CREATE TABLE a ()");
	write_file("002_b.sql", bad_scripts[_i].sql);
	(void)refusal();
	ck_assert_msg(strstr(task.failure.message, bad_scripts[_i].says) != NULL, "%s",
	              task.failure.message);
	ck_assert(table_exists("a"));
	ck_assert_uint_eq(count_pending(), 1);
	/* A COMMIT of its own is the one thing that cannot be undone. */
	if (strstr(bad_scripts[_i].sql, "COMMIT") == NULL)
		ck_assert(!table_exists("b"));
	write_file("002_b.sql", "CREATE TABLE IF NOT EXISTS b ()");
	ck_assert_uint_eq(apply(), 1);
}
END_TEST

START_TEST(test_no_time_limit)
{
	write_file("001_slow.sql", "SELECT pg_sleep(1.7)");
	ck_assert_uint_eq(apply(), 1);
	/* The limit is back afterwards. */
	ck_assert_int_eq(db_script(db, &task, "SELECT pg_sleep(1)"), FAIL_UNAVAILABLE);
	task_clear(&task);
}
END_TEST

/* A child that waits for the start and applies; its exit status is how many it applied. */
static pid_t
start_child(int start)
{
	pid_t pid = fork();
	size_t applied = 0;
	struct db *own;
	char byte;

	if (pid != 0)
		return pid;
	own = connect_to(database_url_of(&task, database));
	if (read(start, &byte, 1) < 0 ||
	    migrations_apply(own, &task, folder, &applied) != FAIL_NONE)
		applied = 99;
	db_free(own);
	_exit((int)applied);
}

START_TEST(test_several_at_once)
{
	enum { CHILDREN = 4 };
	int start[2], status, total = 0;
	pid_t children[CHILDREN];

	write_file("001_slow.sql", "CREATE TABLE a (n bigint); SELECT pg_sleep(1.4)");
	write_file("002_insert.sql", "INSERT INTO a VALUES (1)");
	write_file("003_unique.sql", "CREATE UNIQUE INDEX ON a ((true))");
	ck_assert_int_eq(pipe(start), 0);
	for (int i = 0; i < CHILDREN; i++)
		children[i] = start_child(start[0]);
	ck_assert_int_eq(write(start[1], "gogo", CHILDREN), CHILDREN);
	for (int i = 0; i < CHILDREN; i++) {
		ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
		ck_assert(WIFEXITED(status));
		ck_assert_int_le(WEXITSTATUS(status), 3);
		total += WEXITSTATUS(status);
	}
	close(start[0]);
	close(start[1]);
	ck_assert_int_eq(total, 3);
	ck_assert_uint_eq(count_pending(), 0);
}
END_TEST

/* A migration that waits for a table gives up after 2 s, and tries again. */
START_TEST(test_gives_way_and_tries_again)
{
	struct db *other = connect_to(database_url_of(&task, database));
	pid_t child;
	int start[2], status;

	write_file("001_a.sql", "CREATE TABLE a ()");
	ck_assert_uint_eq(apply(), 1);
	write_file("002_b.sql", "ALTER TABLE a ADD n bigint");
	ck_assert_int_eq(db_begin(other, &task), FAIL_NONE);
	run_sql(other, "SET LOCAL idle_in_transaction_session_timeout = 0;"
	               "LOCK TABLE a IN ACCESS SHARE MODE");
	ck_assert_int_eq(pipe(start), 0);
	child = start_child(start[0]);
	ck_assert_int_eq(write(start[1], "g", 1), 1);
	sleep(3);
	ck_assert_int_eq(waitpid(child, &status, WNOHANG), 0);
	ck_assert_int_eq(db_commit(other, &task), FAIL_NONE);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 1);
	close(start[0]);
	close(start[1]);
	db_free(other);
}
END_TEST

START_TEST(test_another_encoding_is_refused)
{
	make_database("ENCODING 'LATIN1' LOCALE 'C'");
	write_file("001_a.sql", "CREATE TABLE a ()");
	ck_assert_str_eq(refusal(), "encoding_unsupported");
	ck_assert_ptr_nonnull(strstr(task.failure.message, "LATIN1"));
	ck_assert(!table_exists("a"));
	drop_database();
}
END_TEST

static TCase *
add_case(Suite *suite, const char *name, void (*before)(void), void (*after)(void))
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, before, after);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int
main(void)
{
	Suite *suite = suite_create("migrations");
	TCase *tcase = add_case(suite, "migrations", setup, teardown);

	tcase_add_test(tcase, test_once_and_in_order);
	tcase_add_test(tcase, test_a_program_needs_the_files_of_its_start);
	tcase_add_test(tcase, test_the_schema_of_this_project);
	tcase_add_loop_test(tcase, test_bad_folders, 0, ROWS(bad_folders));
	tcase_add_test(tcase, test_missing_folder_and_strange_bytes);
	tcase_add_test(tcase, test_a_changed_file_is_refused);
	tcase_add_test(tcase, test_an_old_program_on_a_newer_schema);
	tcase_add_loop_test(tcase, test_bad_scripts, 0, ROWS(bad_scripts));
	tcase_add_test(tcase, test_no_time_limit);
	tcase_add_test(tcase, test_several_at_once);
	tcase_add_test(tcase, test_gives_way_and_tries_again);
	tcase = add_case(suite, "encoding", setup_server, teardown_server);
	tcase_add_test(tcase, test_another_encoding_is_refused);
	return suite_run(suite);
}

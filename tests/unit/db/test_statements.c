/* test_statements.c: every statement of the program fits the schema that the migrations
 * make. */
#include "support/database.h"

#include <libpq-fe.h>

#include "accounts/schema.h"
#include "base/random.h"
#include "base/text.h"
#include "db/migrations.h"

static struct task task;
static struct db *server; /* where databases are made */
static struct db *db;     /* a database of this program's own, migrated by the project's code */
static const char *database;

/* TEST_DATABASE_URL with another database's name. */
static const char *
url_of(const char *name)
{
	PQconninfoOption *options = PQconninfoParse(database_url(), NULL);
	struct text url = text_new(task.arena, 256);

	ck_assert_ptr_nonnull(options);
	for (PQconninfoOption *o = options; o->keyword != NULL; o++)
		if (o->val != NULL && strcmp(o->keyword, "dbname") != 0)
			text_printf(&url, "%s='%s' ", o->keyword, o->val);
	PQconninfoFree(options);
	text_printf(&url, "dbname='%s'", name);
	return url.data;
}

static void
setup(void)
{
	size_t applied = 0;

	task = suite_task();
	server = database_open(database_url(), DATABASE_PATIENT_MS, true);
	database = random_id(task.arena, "test_statements_", 6);
	database_script(server, &task,
	                arena_printf(task.arena,
	                             "CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8'",
	                             database));
	db = database_open(url_of(database), DATABASE_PATIENT_MS, true);
	ck_assert_msg(migrations_apply(db, &task, "migrations", &applied) == FAIL_NONE, "%s",
	              task.failure.message);
	ck_assert_uint_ge(applied, 1);
}

static void
teardown(void)
{
	db_free(db);
	database_script(server, &task,
	                arena_printf(task.arena, "DROP DATABASE %s WITH (FORCE)", database));
	db_free(server);
	suite_task_end(&task);
}

/* All statements of all modules, in the order of the lists. */
static const struct statement *
statement_at(size_t index)
{
	for (size_t i = 0; billing_statements[i] != NULL; i++) {
		if (index < billing_statements[i]->count)
			return &billing_statements[i]->items[index];
		index -= billing_statements[i]->count;
	}
	return NULL;
}

static bool
is_listed(const struct statement_list *list)
{
	for (size_t i = 0; billing_statements[i] != NULL; i++)
		if (billing_statements[i] == list)
			return true;
	return false;
}

START_TEST(test_every_statement_fits)
{
	const struct statement *statement;
	size_t count = 0;

	for (; (statement = statement_at(count)) != NULL; count++) {
		task_clear(&task);
		ck_assert_msg(db_check_statement(db, &task, statement) == FAIL_NONE, "%s: %s",
		              statement->name, task.failure.message);
	}
	printf("%zu statements prepared\n", count);
	ck_assert_uint_ge(count, 30);
	ck_assert(is_listed(&db_statements) && is_listed(&migration_statements));
	ck_assert_int_eq(schema_check(db, &task), FAIL_NONE);
}
END_TEST

/* Whether the text has a word that changes or locks rows. */
static bool
has_change(const char *sql)
{
	static const char *const words[] = {"INSERT INTO", "UPDATE",  "DELETE FROM",
	                                    " FOR SHARE",  "nextval", "pg_notify",
	                                    "event_add("};

	for (size_t i = 0; i < ROWS(words); i++)
		if (strstr(sql, words[i]) != NULL)
			return true;
	return false;
}

/* A reader that begins with WITH says so, else it would wait for a standby like a change. */
START_TEST(test_readers_are_known)
{
	const struct statement *statement;

	for (size_t i = 0; (statement = statement_at(i)) != NULL; i++) {
		const char *sql = statement->sql;

		while (text_starts_with(sql, "--") || *sql == '\n')
			sql += *sql == '\n' ? 1 : strcspn(sql, "\n");
		ck_assert_msg(statement->reads ==
		                      (text_starts_with(sql, "WITH") && !has_change(sql)),
		              "%s", statement->name);
	}
}
END_TEST

/* The check does see a schema that is another: every column that rows are made of is missed. */
START_TEST(test_another_schema_is_noticed)
{
	static const char *const changes[] = {
	        "ALTER TABLE customers RENAME company_name TO company",
	        "ALTER TABLE subscriptions DROP canceled_at",
	        "ALTER TABLE licenses ALTER fingerprint TYPE text USING ''",
	        "ALTER TABLE api_keys ALTER scopes TYPE text USING ''",
	        "DROP TABLE idempotency_keys",
	        "ALTER TABLE audit_log DROP detail",
	};

	database_script(db, &task, changes[_i]);
	ck_assert_int_ne(schema_check(db, &task), FAIL_NONE);
}
END_TEST

START_TEST(test_names_are_unique)
{
	const struct statement *one, *two;

	for (size_t i = 0; (one = statement_at(i)) != NULL; i++) {
		ck_assert_msg(text_is_made_of(one->name, "abcdefghijklmnopqrstuvwxyz_", 3, 63),
		              "%s", one->name);
		for (size_t k = 0; k < i && (two = statement_at(k)) != NULL; k++)
			ck_assert_msg(strcmp(one->name, two->name) != 0, "%s", one->name);
	}
}
END_TEST

/* Whether the star stands behind a SELECT or an alias and takes whatever columns there are. */
static bool
takes_all(const char *sql, const char *star)
{
	static const char select[] = "SELECT ";
	size_t before = (size_t)(star - sql), length = strlen(select);

	return (before > 0 && star[-1] == '.') ||
	       (before >= length && strncmp(star - length, select, length) == 0);
}

/* Columns are named, so that one that is added changes nothing. */
START_TEST(test_columns_are_named)
{
	static const char example[] = "SELECT * FROM t";
	const struct statement *statement;

	ck_assert(takes_all(example, strchr(example, '*')));
	for (size_t i = 0; (statement = statement_at(i)) != NULL; i++) {
		const char *star = statement->sql;

		for (; (star = strchr(star, '*')) != NULL; star++)
			ck_assert_msg(!takes_all(statement->sql, star), "%s", statement->name);
	}
}
END_TEST

/* Every column has its place inside of the struct that the rows fill. */
START_TEST(test_rows_have_room)
{
	const struct statement *statement;

	for (size_t i = 0; (statement = statement_at(i)) != NULL; i++) {
		ck_assert_msg((statement->columns == NULL) == (statement->row_size == 0), "%s",
		              statement->name);
		for (const struct column *c = statement->columns;
		     c != NULL && c->type != COLUMN_STOP; c++)
			ck_assert_msg(c->offset < statement->row_size, "%s: %s",
			              statement->name, c->name);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("statements");
	TCase *tcase = tcase_create("statements");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_every_statement_fits);
	tcase_add_test(tcase, test_readers_are_known);
	tcase_add_loop_test(tcase, test_another_schema_is_noticed, 0, 6);
	tcase_add_test(tcase, test_names_are_unique);
	tcase_add_test(tcase, test_columns_are_named);
	tcase_add_test(tcase, test_rows_have_room);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}

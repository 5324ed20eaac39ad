/* database.h: connections to the database that TEST_DATABASE_URL names; with_database.sh makes
 * one. */
#pragma once

#include "support/suite.h"

#include <libpq-fe.h>

#include "base/text.h"
#include "db/db.h"

/* The migrated database for tests; a test that needs it fails without. */
static inline const char *
database_url(void)
{
	const char *url = getenv("TEST_DATABASE_URL");

	ck_assert_msg(url != NULL && *url != '\0',
	              "TEST_DATABASE_URL is not set; tests/unit/with_database.sh sets it");
	return url;
}

/* The URL of the test's server with another database's name. */
static inline const char *
database_url_of(const struct task *task, const char *name)
{
	PQconninfoOption *options = PQconninfoParse(database_url(), NULL);
	struct text url = text_new(task->arena, 256);

	ck_assert_msg(options != NULL, "TEST_DATABASE_URL isn't a connection string");
	for (PQconninfoOption *o = options; o->keyword != NULL; o++)
		if (o->val != NULL && strcmp(o->keyword, "dbname") != 0)
			text_printf(&url, "%s='%s' ", o->keyword, o->val);
	PQconninfoFree(options);
	text_printf(&url, "dbname='%s'", name);
	return url.data;
}

/* For statements that end by themselves: a busy machine must not look like a database that hangs. */
enum { DATABASE_PATIENT_MS = 60000 };

static inline struct db *
database_open(const char *url, int64_t statement_timeout_ms, bool prepared)
{
	const struct db_options options = {.url = url,
	                                   .prepared = prepared,
	                                   .statement_timeout_ms = statement_timeout_ms,
	                                   .application_name = "billing unit tests"};

	return db_new(&options);
}

/* Several commands, none of which may fail. */
static inline void
database_script(struct db *db, struct task *task, const char *sql)
{
	enum fail kind = db_script(db, task, sql);

	ck_assert_msg(kind == FAIL_NONE, "%s: %s", sql, task->failure.message);
}

/* The one number that a query gives; other connections than the tested one ask. */
struct database_number {
	int64_t number;
};

static inline int64_t
database_number(struct db *db, struct task *task, const char *expression)
{
	static const struct column columns[] = COLUMNS(struct database_number, number);
	const struct statement statement = {
	        .name = "",
	        .sql = arena_printf(task->arena, "SELECT (%s)::bigint AS number", expression),
	        .columns = columns,
	        .row_size = sizeof(struct database_number)};
	struct database_number row = {.number = -1};
	bool found = false;
	enum fail kind = db_row(db, task, &statement, NO_PARAMETERS, &row, &found);

	ck_assert_msg(kind == FAIL_NONE && found, "%s: %s", expression, task->failure.message);
	return row.number;
}

/* statements.c: prepares named statements once per connection and runs them. */
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "db/internal.h"

static void
clear_result(void *result)
{
	PQclear(result);
}

void
db_keep_result(struct task *task, PGresult *result)
{
	arena_defer(task->arena, clear_result, result);
}

/* The slot that holds the statement, or the empty one where it belongs (open addressing). There
 * are several times as many slots as statements. */
static const struct statement **
prepared_slot(struct db *db, const struct statement *statement)
{
	size_t slot = ((uintptr_t)statement / sizeof(*statement)) % DB_PREPARED_SLOTS;

	while (db->prepared[slot] != NULL && db->prepared[slot] != statement)
		slot = (slot + 1) % DB_PREPARED_SLOTS;
	return &db->prepared[slot];
}

enum fail
db_prepare(struct db *db, struct task *task, const struct statement *statement)
{
	const struct statement **slot = prepared_slot(db, statement);
	PGresult *result;
	int sent;

	if (!db->options.prepared || *slot != NULL)
		return FAIL_NONE;
	sent = PQsendPrepare(db->connection, statement->name, statement->sql, 0, NULL);
	TRY(db_receive(db, task, statement->name, sent == 1, false, &result));
	PQclear(result);
	*slot = statement;
	return FAIL_NONE;
}

/* A statement of our own that changes nothing starts with SELECT, after comments, or says so. */
static bool
writes(const struct statement *statement)
{
	const char *sql = statement->sql;

	if (statement->reads)
		return false;
	while (text_starts_with(sql, "--") || *sql == '\n')
		sql += *sql == '\n' ? 1 : strcspn(sql, "\n");
	return !text_starts_with(sql, "SELECT");
}

enum fail
db_send(struct db *db, struct task *task, const struct statement *statement,
        struct parameters parameters)
{
	int sent;

	if (db->options.prepared)
		sent = PQsendQueryPrepared(db->connection, statement->name,
		                           (int)parameters.count, parameters.values, NULL, NULL,
		                           1);
	else
		sent = PQsendQueryParams(db->connection, statement->sql, (int)parameters.count,
		                         NULL, parameters.values, NULL, NULL, 1);
	return sent == 1 ? FAIL_NONE : db_result_fail(db, task, statement->name, NULL, false);
}

static enum fail
prepare_and_send(struct db *db, struct task *task, const struct statement *statement,
                 struct parameters parameters)
{
	if (db->ahead != NULL)
		return db_ahead_send(db, task, statement, parameters);
	TRY(db_prepare(db, task, statement));
	return db_send(db, task, statement, parameters);
}

/* Connects when needed and sends. A failure means that nothing has happened yet, so outside of
 * a transaction it sends once more on a new connection. */
static enum fail
connect_and_send(struct db *db, struct task *task, const struct statement *statement,
                 struct parameters parameters)
{
	enum fail kind;

	db_notice_close(db);
	TRY(db_connect(db, task));
	kind = prepare_and_send(db, task, statement, parameters);
	/* On an open connection the failure was a lock or a limit: do not wait twice. */
	if (kind != FAIL_UNAVAILABLE || db->depth > 0 || db->connection != NULL)
		return kind;
	task_clear(task);
	TRY(db_connect(db, task));
	return prepare_and_send(db, task, statement, parameters);
}

static enum fail
unconfirmed(struct db *db, struct task *task)
{
	db_hold(db);
	return task_fail(task, FAIL_UNCERTAIN, "outcome_unknown",
	                 "The change may not have reached every replica; repeat the request "
	                 "with the same Idempotency-Key.");
}

static enum fail
attempt(struct db *db, struct task *task, const struct statement *statement,
        struct parameters parameters, PGresult **out)
{
	bool commits = db->depth == 0 && writes(statement);
	PGresult *result;

	if (commits && !statement->unconfirmed)
		TRY(db_check_hold(db, task));
	db->warned = false;
	TRY(connect_and_send(db, task, statement, parameters));
	if (db->ahead != NULL)
		return db_ahead_receive(db, task, statement, out);
	TRY(db_receive(db, task, statement->name, true, writes(statement), &result));
	db_keep_result(task, result);
	if (db->warned && commits)
		return unconfirmed(db, task);
	if (!statement->unconfirmed)
		db_note_changes(db, result);
	*out = result;
	return FAIL_NONE;
}

/* Outside of a transaction it repeats a statement that had no effect: a deadlock's victim, an
 * ended backend, a plan that a migration outdated. */
static enum fail
run(struct db *db, struct task *task, const struct statement *statement,
    struct parameters parameters, PGresult **out)
{
	int depth = db->depth;
	enum fail kind;

	if (depth > 0 || writes(statement))
		TRY(db_judge_ahead(db, task));
	db->again = false;
	kind = attempt(db, task, statement, parameters, out);
	if (kind != FAIL_UNAVAILABLE || !db->again || depth > 0)
		return kind;
	task_clear(task);
	return attempt(db, task, statement, parameters, out);
}

enum fail
db_rows(struct db *db, struct task *task, const struct statement *statement,
        struct parameters parameters, void *out_rows, size_t *out_count)
{
	PGresult *result = NULL;

	TRY(run(db, task, statement, parameters, &result));
	return db_decode_rows(task, statement, result, out_rows, out_count);
}

enum fail
db_row(struct db *db, struct task *task, const struct statement *statement,
       struct parameters parameters, void *out, bool *found)
{
	void *rows;
	size_t count;

	TRY(db_rows(db, task, statement, parameters, &rows, &count));
	*found = count > 0;
	if (count > 0)
		memcpy(out, rows, statement->row_size);
	return FAIL_NONE;
}

enum fail
db_run(struct db *db, struct task *task, const struct statement *statement,
       struct parameters parameters, int64_t *affected)
{
	PGresult *result = NULL;

	TRY(run(db, task, statement, parameters, &result));
	if (affected != NULL && !text_parse_int(PQcmdTuples(result), affected))
		*affected = 0;
	return FAIL_NONE;
}

enum fail
db_script(struct db *db, struct task *task, const char *sql)
{
	PGresult *result;
	int sent;

	TRY(db_connect(db, task));
	sent = PQsendQuery(db->connection, sql);
	TRY(db_receive(db, task, "script", sent == 1, true, &result));
	PQclear(result);
	return FAIL_NONE;
}

static enum fail
difference(struct task *task, const struct statement *statement, const char *column,
           const char *what)
{
	return task_fail(task, FAIL_INTERNAL, "statement_differs",
	                 "statement %s, column %s: %s", statement->name, column, what);
}

static enum fail
compare_columns(struct task *task, const struct statement *statement, const PGresult *described)
{
	int count = PQnfields(described), i = 0;

	for (const struct column *c = statement->columns; c != NULL && c->type != COLUMN_STOP;
	     c++, i++) {
		if (i >= count)
			return difference(task, statement, c->name, "is not selected");
		if (strcmp(PQfname(described, i), c->name) != 0)
			return difference(task, statement, c->name,
			                  "stands where another one is selected");
		if (PQftype(described, i) != db_column_oid(c->type))
			return difference(task, statement, c->name, "has another type");
	}
	if (i < count && statement->columns != NULL)
		return difference(task, statement, PQfname(described, i),
		                  "is not in the table");
	return FAIL_NONE;
}

enum fail
db_check_statement(struct db *db, struct task *task, const struct statement *statement)
{
	PGresult *prepared, *described;
	int sent;

	TRY(db_connect(db, task));
	/* Without a name, as a pooler would keep a name for its next client. */
	sent = PQsendPrepare(db->connection, "", statement->sql, 0, NULL);
	TRY(db_receive(db, task, statement->name, sent == 1, false, &prepared));
	PQclear(prepared);
	sent = PQsendDescribePrepared(db->connection, "");
	TRY(db_receive(db, task, statement->name, sent == 1, false, &described));
	db_keep_result(task, described);
	return compare_columns(task, statement, described);
}

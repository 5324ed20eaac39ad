/* transaction.c: transactions, nested ones as savepoints. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "db/internal.h"

enum fail
db_command(struct db *db, struct task *task, const char *sql, const char *tag)
{
	int sent = PQsendQueryParams(db->connection, sql, 0, NULL, NULL, NULL, NULL, 0);
	enum fail kind = FAIL_NONE;
	PGresult *result;

	TRY(db_receive(db, task, sql, sent == 1, false, &result));
	if (strcmp(PQcmdStatus(result), tag) != 0)
		kind = task_fail(task, FAIL_INTERNAL, "internal_error", "%s answered %s", sql,
		                 PQcmdStatus(result));
	PQclear(result);
	return kind;
}

enum fail
db_begin(struct db *db, struct task *task)
{
	enum fail kind;

	if (db->depth > 0) {
		TRY(db_command(db, task, arena_printf(task->arena, "SAVEPOINT s%d", db->depth),
		               "SAVEPOINT"));
		db->depth++;
		return FAIL_NONE;
	}
	TRY(db_judge_ahead(db, task));
	db_notice_close(db);
	db->again = false;
	TRY(db_check_hold(db, task));
	TRY(db_connect(db, task));
	kind = db_command(db, task, "BEGIN", "BEGIN");
	if (kind == FAIL_UNAVAILABLE) {
		/* Nothing was done yet, so it may begin again on a new connection. */
		task_clear(task);
		TRY(db_connect(db, task));
		TRY(db_command(db, task, "BEGIN", "BEGIN"));
	} else if (kind != FAIL_NONE) {
		return kind;
	}
	db->depth = 1;
	db->changes = false;
	db->at_commit = NULL;
	return FAIL_NONE;
}

/* The connection died during COMMIT: it may or may not have happened. */
static enum fail
commit_lost(struct db *db, struct task *task)
{
	log_line(LOG_LEVEL_WARNING, "commit outcome unknown",
	         LOG_S("request_id", task->request_id));
	if (db->warned)
		db_hold(db);
	db_disconnect(db);
	return db_outcome_unknown(task);
}

static enum fail
commit_outcome(struct db *db, struct task *task, PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	/* A backend that is told to end may send that error after it has committed. */
	if (db->warned || (state != NULL && strncmp(state, "57P", 3) == 0))
		return commit_lost(db, task);
	if (state != NULL)
		return db_result_fail(db, task, "COMMIT", result, true);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		return commit_lost(db, task);
	if (strcmp(PQcmdStatus(result), "COMMIT") != 0)
		return task_fail(task, FAIL_INTERNAL, "internal_error",
		                 "COMMIT of a failed transaction");
	return FAIL_NONE;
}

/* A statement that runs with the COMMIT has failed: the transaction is still open. */
static enum fail
commit_with_statements(struct db *db, struct task *task, PGresult **out)
{
	const char *name;
	enum fail kind;

	db->changes = true;
	TRY(db_at_commit_run(db, task, &name, out));
	if (*out == NULL || strcmp(name, "COMMIT") == 0)
		return FAIL_NONE;
	kind = db_result_fail(db, task, name, *out, false);
	PQclear(*out);
	return kind;
}

enum fail
db_commit(struct db *db, struct task *task)
{
	PGresult *result = NULL;
	enum fail kind;

	if (db->depth > 1) {
		db->depth--;
		db_at_commit_release(db);
		return db_command(db, task,
		                  arena_printf(task->arena, "RELEASE SAVEPOINT s%d", db->depth),
		                  "RELEASE");
	}
	db->again = false;
	if (db->connection == NULL) {
		/* The transaction was lost before: COMMIT is never sent. */
		db->depth = 0;
		db->at_commit = NULL;
		return db_unavailable(task);
	}
	db->warned = false;
	if (db->at_commit != NULL)
		TRY(commit_with_statements(db, task, &result));
	else if (PQsendQueryParams(db->connection, "COMMIT", 0, NULL, NULL, NULL, NULL, 0) == 1)
		result = db_await(db);
	db->depth = 0;
	db->at_commit = NULL;
	kind = commit_outcome(db, task, result);
	PQclear(result);
	if (kind == FAIL_NONE && db->changes)
		db->confirmed = true;
	return kind;
}

void
db_rollback_to(struct db *db, int depth)
{
	struct task task = {.arena = NULL};
	char sql[48] = "ROLLBACK";

	if (db->depth <= depth)
		return;
	db->depth = depth;
	db_at_commit_drop(db);
	if (db->connection == NULL)
		return;
	if (depth > 0)
		(void)snprintf(sql, sizeof(sql), "ROLLBACK TO SAVEPOINT s%d", depth);
	task.arena = arena_new((size_t)64 * 1024);
	/* Closing the connection ends a transaction that cannot be rolled back. */
	if (db_command(db, &task, sql, "ROLLBACK") != FAIL_NONE)
		db_disconnect(db);
	arena_free(task.arena);
}

int
db_depth(const struct db *db)
{
	return db->depth;
}

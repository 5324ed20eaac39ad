/* ahead.c: sends a statement together with the one after it, in one round trip (libpq's pipeline
 * mode, PostgreSQL's manual, section 34.5). */
#include "base/arena.h"
#include "db/internal.h"

/* Lasts until the end of the pipeline, which is one transaction. */
static const struct statement own_statements[] = {
        {"db_plan_once",
         .sql = "SELECT set_config('plan_cache_mode', 'force_generic_plan', true)"},
};

const struct statement_list db_ahead_statements = {own_statements, 1};

void
db_send_ahead(struct db *db, const struct db_ahead *ahead)
{
	db->ahead = ahead;
}

bool
db_has_ahead(const struct db *db)
{
	return db->ahead != NULL;
}

static enum fail
judge(const struct db_ahead *ahead, struct task *task, const PGresult *result)
{
	const void *rows;
	size_t count;

	TRY(db_decode_rows(task, ahead->statement, result, &rows, &count));
	return ahead->judge(ahead->context, task, count == 0 ? NULL : rows);
}

enum fail
db_judge_ahead(struct db *db, struct task *task)
{
	const struct db_ahead *ahead = db->ahead;
	const void *rows;
	enum fail kind;
	size_t count;

	if (ahead == NULL)
		return FAIL_NONE;
	/* Taken away meanwhile, as it must not wait for itself. After a failure it is still to be judged:
	 * the caller may repeat its work. */
	db->ahead = NULL;
	kind = db_rows(db, task, ahead->statement, ahead->parameters, &rows, &count);
	if (kind != FAIL_NONE)
		db->ahead = ahead;
	TRY(kind);
	return ahead->judge(ahead->context, task, count == 0 ? NULL : rows);
}

enum fail
db_ahead_send(struct db *db, struct task *task, const struct statement *statement,
              struct parameters parameters)
{
	const struct db_ahead *ahead = db->ahead;

	TRY(db_prepare(db, task, ahead->statement));
	TRY(db_prepare(db, task, statement));
	if (statement->planned_once)
		TRY(db_prepare(db, task, &own_statements[0]));
	if (PQenterPipelineMode(db->connection) != 1)
		return db_result_fail(db, task, statement->name, NULL, false);
	TRY(db_send(db, task, ahead->statement, ahead->parameters));
	if (statement->planned_once)
		TRY(db_send(db, task, &own_statements[0], NO_PARAMETERS));
	TRY(db_send(db, task, statement, parameters));
	if (PQpipelineSync(db->connection) == 1)
		return FAIL_NONE;
	return db_result_fail(db, task, statement->name, NULL, false);
}

void
db_pipeline_end(struct db *db, int64_t unread)
{
	bool ended = false;

	/* After an error come answers for the statements that were not run. */
	for (int64_t i = 0; i <= unread && !ended && db->connection != NULL; i++) {
		PGresult *result = db_await(db);

		ended = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
		PQclear(result);
	}
	if (db->connection != NULL && (!ended || PQexitPipelineMode(db->connection) != 1))
		db_disconnect(db);
}

static enum fail
receive_second(struct db *db, struct task *task, const struct statement *statement,
               PGresult **out)
{
	PGresult *planned;

	if (statement->planned_once) {
		TRY(db_receive(db, task, own_statements[0].name, true, false, &planned));
		PQclear(planned);
	}
	return db_receive(db, task, statement->name, true, false, out);
}

enum fail
db_ahead_receive(struct db *db, struct task *task, const struct statement *statement,
                 PGresult **out)
{
	const struct db_ahead *ahead = db->ahead;
	struct task aside = task_attempt(task);
	PGresult *first = NULL, *second = NULL;
	enum fail kind = db_receive(db, task, ahead->statement->name, true, false, &first);
	enum fail later = FAIL_NONE;

	if (kind == FAIL_NONE) {
		db_keep_result(task, first);
		later = receive_second(db, &aside, statement, &second);
	}
	db_pipeline_end(db, 2);
	if (second != NULL)
		db_keep_result(task, second);
	TRY(kind);
	db->ahead = NULL;
	TRY(judge(ahead, task, first));
	task->failure = aside.failure;
	*out = second;
	return later;
}

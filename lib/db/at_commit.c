/* at_commit.c: statements that run as the last ones of a transaction, in one round trip with its
 * COMMIT (libpq's pipeline mode, PostgreSQL's manual, section 34.5). */
#include <string.h>

#include "base/arena.h"
#include "db/internal.h"

struct db_at_commit {
	const struct statement *statement;
	struct parameters parameters;
	const char *order;
	int depth; /* of the transaction or savepoint that it belongs to */
	struct db_at_commit *next;
};

enum fail
db_run_at_commit(struct db *db, struct task *task, const struct statement *statement,
                 struct parameters parameters, const char *order)
{
	struct db_at_commit *item = arena_alloc(task->arena, sizeof(*item));
	size_t size = parameters.count * sizeof(*parameters.values);
	const char **values = arena_alloc(task->arena, size);
	struct db_at_commit **place = &db->at_commit;

	if (db->depth == 0)
		return task_fail(task, FAIL_INTERNAL, "internal_error",
		                 "statement %s outside of a transaction", statement->name);
	memcpy(values, parameters.values, size);
	*item = (struct db_at_commit){
	        statement, {values, parameters.count}, order, db->depth, NULL};
	while (*place != NULL && strcmp((*place)->order, order) <= 0)
		place = &(*place)->next;
	item->next = *place;
	*place = item;
	return FAIL_NONE;
}

void
db_at_commit_release(struct db *db)
{
	for (struct db_at_commit *item = db->at_commit; item != NULL; item = item->next)
		if (item->depth > db->depth)
			item->depth = db->depth;
}

void
db_at_commit_drop(struct db *db)
{
	struct db_at_commit **place = &db->at_commit;

	while (*place != NULL) {
		if ((*place)->depth > db->depth)
			*place = (*place)->next;
		else
			place = &(*place)->next;
	}
}

static enum fail
prepare(struct db *db, struct task *task, int64_t *count)
{
	*count = 0;
	for (const struct db_at_commit *item = db->at_commit; item != NULL; item = item->next) {
		TRY(db_prepare(db, task, item->statement));
		++*count;
	}
	return FAIL_NONE;
}

static bool
send(struct db *db, struct task *task)
{
	if (PQenterPipelineMode(db->connection) != 1)
		return false;
	for (const struct db_at_commit *item = db->at_commit; item != NULL; item = item->next)
		if (db_send(db, task, item->statement, item->parameters) != FAIL_NONE)
			return false;
	return PQsendQueryParams(db->connection, "COMMIT", 0, NULL, NULL, NULL, NULL, 0) == 1 &&
	       PQpipelineSync(db->connection) == 1;
}

enum fail
db_at_commit_run(struct db *db, struct task *task, const char **name, PGresult **out)
{
	struct task aside = task_attempt(task);
	PGresult *result = NULL;
	int64_t count;

	*out = NULL;
	*name = "COMMIT";
	TRY(prepare(db, task, &count));
	/* A part of it may have been sent, so the outcome of a failure is not known. */
	if (!send(db, &aside))
		return FAIL_NONE;
	for (const struct db_at_commit *item = db->at_commit; item != NULL; item = item->next) {
		result = db_await(db);
		if (PQresultStatus(result) != PGRES_TUPLES_OK) {
			*name = result == NULL ? *name : item->statement->name;
			break;
		}
		PQclear(result);
		result = NULL;
	}
	if (result == NULL && db->connection != NULL)
		result = db_await(db);
	*out = result;
	if (result != NULL)
		db_pipeline_end(db, count + 1);
	return FAIL_NONE;
}

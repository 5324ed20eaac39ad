/* errors.c: from PostgreSQL's SQLSTATE to a kind of failure. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "db/internal.h"

/* By the first characters of the SQLSTATE; the first match counts. `again`: the statement had
 * no effect and may succeed if it is tried once more. */
/* clang-format off */
static const struct {
	const char *prefix;
	enum fail kind;
	bool reconnect;
	bool again;
} states[] = {
	{"23505", FAIL_CONFLICT, false, false},    /* unique_violation */
	{"22P02", FAIL_INVALID, false, false},     /* invalid_text_representation */
	{"22P05", FAIL_INVALID, false, false},     /* untranslatable_character */
	{"22021", FAIL_INVALID, false, false},     /* character_not_in_repertoire */
	{"22003", FAIL_INVALID, false, false},     /* numeric_value_out_of_range */
	{"22008", FAIL_INVALID, false, false},     /* datetime_field_overflow */
	{"0A000", FAIL_UNAVAILABLE, true, true},   /* a migration outdated the prepared plan */
	{"25006", FAIL_UNAVAILABLE, true, true},   /* read-only: no longer the primary */
	{"26000", FAIL_UNAVAILABLE, true, true},   /* prepared statement gone, by a pooler */
	{"42P05", FAIL_UNAVAILABLE, true, true},   /* prepared by another client of the pooler */
	{"25P03", FAIL_UNAVAILABLE, true, false},  /* idle_in_transaction_session_timeout */
	{"40", FAIL_UNAVAILABLE, false, true},     /* serialization failure, deadlock */
	{"55P03", FAIL_UNAVAILABLE, false, false}, /* lock_not_available */
	{"57014", FAIL_UNAVAILABLE, false, false}, /* statement_timeout */
	{"57P", FAIL_UNAVAILABLE, true, true},     /* terminated, shutting down, starting up */
	{"53", FAIL_UNAVAILABLE, false, false},    /* out of connections, memory, disk */
	{"58", FAIL_UNAVAILABLE, false, false},    /* input or output error of PostgreSQL */
	{"08", FAIL_UNAVAILABLE, true, false},     /* connection */
};
/* clang-format on */

static void
log_failure(const struct task *task, const char *name, const char *state, enum log_level level)
{
	log_line(level, "statement failed", LOG_S("statement", name), LOG_S("sqlstate", state),
	         LOG_S("request_id", task->request_id));
}

enum fail
db_unavailable(struct task *task)
{
	return task_fail(task, FAIL_UNAVAILABLE, "database_unavailable",
	                 "The database is not available at the moment; try again soon.");
}

enum fail
db_outcome_unknown(struct task *task)
{
	return task_fail(
	        task, FAIL_UNCERTAIN, "outcome_unknown",
	        "The database connection was lost before the outcome was known; repeat "
	        "the request with the same Idempotency-Key.");
}

/* The connection ended before the answer. What commits by itself may have been committed. */
static enum fail
lost(struct db *db, struct task *task, const char *name, bool writes)
{
	bool uncertain = writes && db->depth == 0;

	db->again = false;
	log_failure(task, name, uncertain ? "lost, outcome unknown" : "lost",
	            LOG_LEVEL_WARNING);
	db_disconnect(db);
	return uncertain ? db_outcome_unknown(task) : db_unavailable(task);
}

/* Refusals of PgBouncer that come before it sends the statement to a server. */
static bool
never_sent(const char *message)
{
	static const char *const refusals[] = {"query_wait_timeout", "server login",
	                                       "pgbouncer cannot connect"};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (message != NULL && text_starts_with(message, refusals[i]))
			return true;
	return false;
}

/* The error does not tell whether the statement was committed. An ERROR tells it: the server
 * goes on and has rolled back. A FATAL error may come from a pooler that lost the server (then
 * it names no source file), or after the commit. */
static bool
leaves_open(const struct db *db, const PGresult *result, const char *state)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (severity == NULL)
		severity = PQresultErrorField(result, PG_DIAG_SEVERITY);
	if (severity != NULL && strcmp(severity, "ERROR") == 0)
		return false;
	if (PQresultErrorField(result, PG_DIAG_SOURCE_FILE) == NULL)
		return !never_sent(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
	return db->late || strncmp(state, "57P", 3) != 0;
}

static enum fail
fail_with(struct task *task, enum fail kind)
{
	if (kind == FAIL_CONFLICT)
		return task_fail(task, kind, "conflict", "It exists already.");
	if (kind == FAIL_INVALID)
		return task_fail(task, kind, "invalid_request", "A value cannot be stored.");
	if (kind == FAIL_UNAVAILABLE)
		return db_unavailable(task);
	return task_fail(task, FAIL_INTERNAL, "internal_error", "A statement failed.");
}

/* Two clients of a pooler share one session of PostgreSQL, so prepared statements fail. From now on
 * this process uses none. */
static void
notice_pooler(struct db *db, const char *state)
{
	if (!db->options.prepared ||
	    (strcmp(state, "26000") != 0 && strcmp(state, "42P05") != 0))
		return;
	log_line(LOG_LEVEL_WARNING,
	         "prepared statements fail behind a connection pooler; this process uses none "
	         "from now on, set DB_PREPARED=off",
	         LOG_S("sqlstate", state));
	db->options.prepared = false;
}

bool
db_prepares(const struct db *db)
{
	return db->options.prepared;
}

static void
keep_message(struct db *db, const PGresult *result)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	(void)snprintf(db->error, sizeof(db->error), "%s", message == NULL ? "" : message);
}

const char *
db_last_error(const struct db *db)
{
	return db->error;
}

enum fail
db_result_fail(struct db *db, struct task *task, const char *name, const PGresult *result,
               bool writes)
{
	const char *state =
	        result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);

	keep_message(db, result);
	if (state == NULL || (writes && db->depth == 0 && leaves_open(db, result, state)))
		return lost(db, task, name, writes);
	notice_pooler(db, state);
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strncmp(state, states[i].prefix, strlen(states[i].prefix)) != 0)
			continue;
		if (states[i].kind == FAIL_UNAVAILABLE)
			log_failure(task, name, state, LOG_LEVEL_WARNING);
		db->again = states[i].again;
		if (states[i].reconnect)
			db_disconnect(db);
		return fail_with(task, states[i].kind);
	}
	log_failure(task, name, state, LOG_LEVEL_ERROR);
	return fail_with(task, FAIL_INTERNAL);
}

enum fail
db_receive(struct db *db, struct task *task, const char *name, bool sent, bool writes,
           PGresult **out)
{
	PGresult *result = sent ? db_await(db) : NULL;
	ExecStatusType status = PQresultStatus(result);
	enum fail kind;

	*out = result;
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return FAIL_NONE;
	*out = NULL;
	kind = db_result_fail(db, task, name, result, writes);
	PQclear(result);
	return kind;
}

bool
db_may_repeat(const struct db *db)
{
	return db->again;
}

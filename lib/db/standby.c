/* standby.c: a commit that waits for a synchronous standby in vain: the wait is cancelled, and
 * changes are refused until the standby confirms again. */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "db/internal.h"

/* Between two questions to the standby. */
static const int64_t pause_us = 1000000;
/* How long a request waits for its answer. */
static const int64_t patience_us = 1000000;

struct confirmation {
	const char *position;
};

/* The message is of no use but that its commit waits for the standby, which then has all that
 * was committed before. Without a synchronous standby nothing is written. */
static const struct statement own_statements[] = {
        {"db_confirm", ROWS_WITH(struct confirmation, position),
         .sql = "SELECT CASE WHEN current_setting('synchronous_standby_names') <> '' THEN "
                "pg_logical_emit_message(true, 'billing', '')::text END AS position"},
};

const struct statement_list db_standby_statements = STATEMENT_LIST(own_statements);

/* PQcancel() connects and waits without a time limit, so it has a thread of its own. */
static void *
cancel(void *argument)
{
	PGcancel *target = argument;
	char error[256];

	(void)PQcancel(target, error, sizeof(error));
	PQfreeCancel(target);
	return NULL;
}

void
db_cancel(struct db *db)
{
	PGcancel *target = PQgetCancel(db->connection);
	sigset_t all, before;
	pthread_t thread;

	db->cancelled = true;
	if (target == NULL)
		return;
	/* Signals are for the thread that serves. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, cancel, target) == 0)
		(void)pthread_detach(thread);
	else
		PQfreeCancel(target);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void
db_hold(struct db *db)
{
	if (!db->held)
		log_line(LOG_LEVEL_WARNING,
		         "no synchronous standby confirms; changes are refused");
	db->held = true;
	db->held_until_us = clock_monotonic_us() + pause_us;
}

bool
db_standby_is_away(const struct db *db)
{
	return db->held;
}

enum fail
db_confirm(struct db *db, struct task *task)
{
	int64_t deadline_us = db->deadline_us, now_us = clock_monotonic_us();
	struct confirmation row;
	enum fail kind;
	bool found;

	if (db->depth > 0)
		return db_row(db, task, &own_statements[0], NO_PARAMETERS, &row, &found);
	if (deadline_us == 0 || deadline_us > now_us + patience_us)
		db->deadline_us = now_us + patience_us;
	kind = db_row(db, task, &own_statements[0], NO_PARAMETERS, &row, &found);
	db->deadline_us = deadline_us;
	db->confirmed = kind == FAIL_NONE && !db->warned;
	if (db->confirmed)
		return FAIL_NONE;
	if (db->warned || db->cancelled)
		db_hold(db);
	return kind == FAIL_NONE ? db_unavailable(task) : kind;
}

/* The commit of a transaction that changed no row does not wait. The tag of a SELECT does not tell
 * what its WITH changes. */
void
db_note_changes(struct db *db, PGresult *result)
{
	const char *tag = PQcmdStatus(result);
	const char *rows = PQcmdTuples(result);

	if (text_starts_with(tag, "SELECT") || *rows == '\0' || strcmp(rows, "0") == 0)
		return;
	if (db->depth == 0)
		db->confirmed = true;
	else
		db->changes = true;
}

enum fail
db_confirm_work(struct db *db, struct task *task)
{
	if (db->confirmed)
		return FAIL_NONE;
	return db->held ? db_check_hold(db, task) : db_confirm(db, task);
}

enum fail
db_check_hold(struct db *db, struct task *task)
{
	if (!db->held)
		return FAIL_NONE;
	if (clock_monotonic_us() < db->held_until_us)
		return db_unavailable(task);
	db->held_until_us = clock_monotonic_us() + pause_us;
	TRY(db_confirm(db, task));
	log_line(LOG_LEVEL_INFO, "a synchronous standby confirms again");
	db->held = false;
	return FAIL_NONE;
}

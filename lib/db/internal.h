/* internal.h: the inside of a connection, shared by the files of this folder only. */
#pragma once

#include <libpq-fe.h>

#include "db/db.h"

enum { DB_PREPARED_SLOTS = 256 };

/* A reading of the server's clock. */
struct db_time {
	bool known;
	bool stale; /* another server may answer by now */
	int64_t ms;
	int64_t own_ms;  /* and what ours said */
	int64_t read_us; /* on the monotonic clock */
};

struct db {
	struct db_options options;
	PGconn *connection; /* NULL: none */
	const struct statement *prepared[DB_PREPARED_SLOTS];
	int depth;           /* open transaction and savepoints */
	bool warned;         /* a WARNING arrived: a commit may not be replicated */
	bool late;           /* the last error came after the statement had succeeded */
	bool cancelled;      /* a late request to cancel may hit the next statement */
	bool again;          /* the last error's statement had no effect and may be repeated */
	int64_t deadline_us; /* of all that the piece of work does; 0: none */
	int64_t waited_us;
	int64_t retry_at_us; /* no new try to connect before */
	int64_t backoff_us;
	bool changes;          /* the open transaction has changed rows */
	bool confirmed;        /* a commit of this piece of work has waited for the standby */
	bool held;             /* a synchronous standby did not confirm: changes are refused */
	int64_t held_until_us; /* no new question to the standby before */
	char error[200];       /* the last message of PostgreSQL */
	struct db_time time;
	const struct db_ahead *ahead;   /* not judged yet; NULL: none */
	struct db_at_commit *at_commit; /* in order; NULL: none */
};

/* Closes the connection. The next use opens another, once no transaction is open. */
void db_disconnect(struct db *db);

/* Notices a connection that the server has closed while it was idle. */
void db_notice_close(struct db *db);

/* Waits for the whole answer to what was sent, at most until the deadline. NULL when the
 * connection is lost. The last result, or the first that is an error; the caller clears it. */
PGresult *db_await(struct db *db);

/* Asks the server to cancel the running statement, and does not wait. The wait of a COMMIT for a
 * standby ends so too, with a warning. */
void db_cancel(struct db *db);

/* Records what the result of a statement changed. Outside of a transaction it is committed. */
void db_note_changes(struct db *db, PGresult *result);

/* A commit was not confirmed by a synchronous standby: from now on changes are refused. */
void db_hold(struct db *db);

/* May a change begin? FAIL_UNAVAILABLE while no synchronous standby confirms; every second one
 * call asks it. */
enum fail db_check_hold(struct db *db, struct task *task) MUST_CHECK;

/* Records why the result is an error and returns its kind. `writes`: it may have been
 * committed. */
enum fail db_result_fail(struct db *db, struct task *task, const char *name,
                         const PGresult *result, bool writes);

/* Waits for the answer to what was sent (unless `sent` is false: it could not be) and records a
 * failure. *out is the result, to be cleared by the caller; NULL with a failure. */
enum fail db_receive(struct db *db, struct task *task, const char *name, bool sent, bool writes,
                     PGresult **out) MUST_CHECK;

/* Prepares the statement on the open connection, once, unless the options say to prepare none. */
enum fail db_prepare(struct db *db, struct task *task,
                     const struct statement *statement) MUST_CHECK;

/* Sends a statement that is prepared. */
enum fail db_send(struct db *db, struct task *task, const struct statement *statement,
                  struct parameters parameters) MUST_CHECK;

/* Sends the statement ahead and this one in one pipeline. */
enum fail db_ahead_send(struct db *db, struct task *task, const struct statement *statement,
                        struct parameters parameters) MUST_CHECK;

/* Receives both answers, and judges the first. The result is the arena's. */
enum fail db_ahead_receive(struct db *db, struct task *task, const struct statement *statement,
                           PGresult **out) MUST_CHECK;

/* Takes the rest of the pipeline's answers: at most so many, and the one of its end. A connection that
 * does not end it is closed. */
void db_pipeline_end(struct db *db, int64_t unread);

/* Statements for the COMMIT: those of the savepoint that was just released belong to the one around
 * it; those of what was just rolled back are dropped. */
void db_at_commit_release(struct db *db);
void db_at_commit_drop(struct db *db);

/* Runs them and the COMMIT in one pipeline. The result is that of the COMMIT, or of the first statement
 * that failed, whose name `*name` then is; the caller clears it. NULL: the connection is lost. */
enum fail db_at_commit_run(struct db *db, struct task *task, const char **name,
                           PGresult **out) MUST_CHECK;

/* Has the arena clear the result. */
void db_keep_result(struct task *task, PGresult *result);

/* FAIL_UNAVAILABLE "database_unavailable". */
enum fail db_unavailable(struct task *task);

/* FAIL_UNCERTAIN "outcome_unknown": the connection was lost before the answer. */
enum fail db_outcome_unknown(struct task *task);

/* Sends one command without parameters and discards its answer. */
enum fail db_command(struct db *db, struct task *task, const char *sql,
                     const char *tag) MUST_CHECK;

/* Decodes all rows of a binary result into an array of the statement's struct. */
enum fail db_decode_rows(struct task *task, const struct statement *statement,
                         const PGresult *result, void *out_rows, size_t *out_count) MUST_CHECK;

/* Opens a connection with all that our sessions need; the caller looks whether it is open. */
PGconn *db_open(const struct db_options *options, struct arena *arena);

/* The hosts of the connection string, each list separated by commas, NULL when it has none. The
 * host that answered last in this process, or in the one that started it, comes first. */
struct hosts {
	const char *names;
	const char *addresses;
	const char *ports;
	bool several;
};
struct hosts db_hosts(struct arena *arena, const char *url);
void db_hosts_remember(struct arena *arena, const char *url, const char *host,
                       const char *port);

/* A part of the connection string, such as "user"; what the string leaves out is completed from the
 * environment, as libpq does. NULL when neither has it. */
const char *db_url_part(struct arena *arena, const char *url, const char *name);

/* The OID that a column type has in PostgreSQL's catalogue. */
Oid db_column_oid(enum column_type type);

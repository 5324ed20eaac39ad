/*
 * db.h: one connection to PostgreSQL and the statements that run on it.
 *
 * Statements are named constants with parameters; a row arrives in a struct by a table of
 * columns. A lost connection is noticed, answered with FAIL_UNAVAILABLE and reopened before the
 * next use.
 */
#pragma once

#include <signal.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/failure.h"
#include "db/columns.h"
#include "json/fields.h"

struct db;

/* How to reach the database. `url` is a libpq connection string or URI. */
struct db_options {
	const char *url;
	bool prepared; /* off for PgBouncer in transaction mode; a refusal of it turns it off */
	int64_t statement_timeout_ms; /* also bounds the wait for locks */
	const char *application_name;
	/* How much longer a transaction may be idle while its owner waits elsewhere. */
	int64_t pause_ms;
};

/* A statement: `name` is unique in the whole program and is what the logs show. `columns` is
 * NULL when it returns no rows; `row_size` is the size of the struct that they fill. */
struct statement {
	const char *name;
	const char *sql;
	const struct column *columns;
	size_t row_size;
	bool unconfirmed; /* no standby has to confirm it: it changes nothing that must last */
	bool reads;       /* it only reads, though it does not begin with SELECT */
	/* It is planned once for all parameters where it is sent with another one ahead. PostgreSQL
	 * plans it anew each time when that seems to make it cheaper, whatever the planning takes. */
	bool planned_once;
};

/* All statements of one module, for the test that prepares each on a migrated database. */
struct statement_list {
	const struct statement *items;
	size_t count;
};

/* A statement's rows, in its initializer: the members that its columns fill, or a table of them
 * that several statements share. */
#define ROWS_WITH(type, ...) ROWS_OF(type, (const struct column[])COLUMNS(type, __VA_ARGS__))
#define ROWS_OF(type, columns_) .columns = (columns_), .row_size = sizeof(type)

#define STATEMENT_LIST(statements)                                                             \
	{                                                                                      \
		statements, sizeof(statements) / sizeof(*(statements))                         \
	}

/* One parameter in text form, cast in the SQL; a NULL `text` is SQL's NULL. */
struct parameters {
	const char *const *values;
	size_t count;
};

#define PARAMETERS(...)                                                                        \
	((struct parameters){(const char *const[]){__VA_ARGS__},                               \
	                     sizeof((const char *const[]){__VA_ARGS__}) /                      \
	                             sizeof(const char *)})
#define NO_PARAMETERS ((struct parameters){NULL, 0})

/* Text forms of parameters, in the task's arena. */
const char *param_int(struct task *task, int64_t value);
const char *param_bool(bool value);
const char *param_time(struct task *task, struct instant value); /* NULL when unknown */
const char *param_bytes(struct task *task, struct bytes value);  /* bytea, "\x..." */
const char *param_digest(struct task *task, const struct sha256 *digest);
const char *param_list(struct task *task, const struct string_list *list); /* text[] */

/* A handle that connects at first use; freed with db_free(). Never shared across fork(). */
struct db *db_new(const struct db_options *options);
void db_free(struct db *db);
/* The time limit of each statement from now on, in a session of its own: for a command that looks at all
 * data. Not within a transaction. */
void db_set_statement_timeout(struct db *db, int64_t timeout_ms);

/* Connects now if there is no usable connection. FAIL_UNAVAILABLE "database_unavailable"; after
 * a failed try the next ones fail at once until a back-off (100 ms doubling to 1 s) is over. */
enum fail db_connect(struct db *db, struct task *task) MUST_CHECK;

/* Whether the server answered the last statement. A connection that was lost since shows with the next
 * one. */
bool db_is_connected(const struct db *db);

/* Runs the statement. Rows are an array of the statement's struct in the arena. Failures: FAIL_UNAVAILABLE
 * (no connection, a time limit, shutting down), FAIL_CONFLICT (unique key; the code is "conflict" until the
 * caller names it), FAIL_INVALID (a value that PostgreSQL refuses), FAIL_UNCERTAIN (the connection died
 * while a statement that commits by itself was running, or a pooler says that it lost the server),
 * FAIL_INTERNAL otherwise. A statement that was never sent is retried once on a new connection, outside of
 * transactions. */
enum fail db_rows(struct db *db, struct task *task, const struct statement *statement,
                  struct parameters parameters, void *out_rows, size_t *out_count) MUST_CHECK;

/* The first row into `out`; `*found` is false when there is none. */
enum fail db_row(struct db *db, struct task *task, const struct statement *statement,
                 struct parameters parameters, void *out, bool *found) MUST_CHECK;

/* Runs a statement whose rows do not matter; `affected` may be NULL. */
enum fail db_run(struct db *db, struct task *task, const struct statement *statement,
                 struct parameters parameters, int64_t *affected) MUST_CHECK;

/* A statement that only reads, for db_send_ahead(). Its memory lives until it is judged. */
struct db_ahead {
	const struct statement *statement;
	struct parameters parameters;
	/* Decides by the first row (NULL: there is none) whether the work goes on. Must not use the
	 * database. */
	enum fail (*judge)(void *context, struct task *task, const void *row);
	void *context;
};

/* Has the statement sent with the next one, in one round trip, when that one only reads outside of a
 * transaction; before the next one otherwise. A failure of judge() is that of the next statement,
 * whose rows are discarded. NULL takes back what is not judged yet. */
void db_send_ahead(struct db *db, const struct db_ahead *ahead);

/* Whether a statement is still to be judged. */
bool db_has_ahead(const struct db *db);

/* Runs and judges it now, if that is still to be done. */
enum fail db_judge_ahead(struct db *db, struct task *task) MUST_CHECK;

/* Transactions nest: an inner begin is a savepoint. db_commit() compares the command tag, as
 * COMMIT of a failed transaction "succeeds" (libpq); a connection lost in it is
 * FAIL_UNCERTAIN. */
enum fail db_begin(struct db *db, struct task *task) MUST_CHECK;
enum fail db_commit(struct db *db, struct task *task) MUST_CHECK;

/* Has the statement run as one of the last of the open transaction, in one round trip with its COMMIT,
 * unless the inner transaction that is open now is rolled back. Its rows do not matter; its failure
 * is that of db_commit(). Those of a transaction run in the order of `order`, and of this call
 * where it is equal. `order` and the parameters live until the transaction ends. */
enum fail db_run_at_commit(struct db *db, struct task *task, const struct statement *statement,
                           struct parameters parameters, const char *order) MUST_CHECK;

/* Waits until a synchronous standby, if there is one, has all that was committed before.
 * FAIL_UNAVAILABLE when that takes more than a second. While a standby does not confirm, changes
 * are refused with FAIL_UNAVAILABLE, and reading goes on. For answers that speak of what an earlier
 * request committed. In a transaction it is the commit that waits, even if nothing was changed. */
enum fail db_confirm(struct db *db, struct task *task) MUST_CHECK;

/* As db_confirm(), unless a commit has waited for the standby since db_set_deadline(). For the end
 * of a piece of work that asked for a change and may have found it made. */
enum fail db_confirm_work(struct db *db, struct task *task) MUST_CHECK;

/* Whether changes are refused since a synchronous standby did not confirm. */
bool db_standby_is_away(const struct db *db);

/* The statement that has just failed with FAIL_UNAVAILABLE was a deadlock's victim or the like.
 * After a rollback its whole transaction may be tried again. */
bool db_may_repeat(const struct db *db);

/* Whether statements are prepared: as the options say, until a pooler's refusal ends it. */
bool db_prepares(const struct db *db);

/* PostgreSQL's or a pooler's message about the last failure; "" when it sent none. It may hold
 * values, so it is for people at the machine only, never for clients and logs. */
const char *db_last_error(const struct db *db);

/* How many transactions and savepoints are open. */
int db_depth(const struct db *db);

/* Rolls back until `depth` transactions and savepoints are open; 0 ends the transaction. The
 * request or job step that fails does so once, at its end; functions that begin need not. */
void db_rollback_to(struct db *db, int depth);

/* The server's clock. */
enum fail db_clock(struct db *db, struct task *task, struct instant *out) MUST_CHECK;

/* The time by the server's clock: when it was read last plus what has passed since by the
 * monotonic clock; by this machine's clock until it was read. Never waits. */
int64_t db_now_ms(const struct db *db);

/* Reads the server's clock again when the last reading is old. Never connects, and ignores
 * failures: for moments when no request waits. */
void db_refresh_clock(struct db *db, struct task *task);

/* The statements of this library itself. */
extern const struct statement_list db_statements, db_standby_statements, db_ahead_statements;

/* Begins a piece of work: from now on no call waits beyond this time (clock_monotonic_us()); 0: no
 * limit. A call that would is FAIL_UNAVAILABLE, or FAIL_UNCERTAIN where its change may have been
 * committed. */
void db_set_deadline(struct db *db, int64_t deadline_us);

/* Subscribes to NOTIFY on the channel (a literal name); once per connection is enough, again
 * does no harm. Does nothing behind PgBouncer in transaction mode, which cannot LISTEN. */
enum fail db_listen(struct db *db, struct task *task, const char *channel) MUST_CHECK;

/* Waits until a notification comes, at most `timeout_ms`, with the signals open (as ppoll(2));
 * a signal ends it too. */
void db_sleep(struct db *db, int64_t timeout_ms, const sigset_t *signals);

/* Microseconds spent waiting for the database since the last call; for the request log. */
int64_t db_take_waited_us(struct db *db);

/* Several SQL commands in one text, for migrations only; no parameters. */
enum fail db_script(struct db *db, struct task *task, const char *sql) MUST_CHECK;

/* Prepares the statement and compares its columns' names and types with the table. For tests
 * and `billingctl doctor`: FAIL_INTERNAL with the difference as message. */
enum fail db_check_statement(struct db *db, struct task *task,
                             const struct statement *statement) MUST_CHECK;

/* connection.c: opening, losing and waiting for one connection to PostgreSQL. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "db/internal.h"

/* Added to the server's own time limit, for the network. */
static const int64_t grace_us = 1000000;
/* A statement is cancelled this much before its caller's time is over, so that its end is known. */
static const int64_t cancel_early_us = 500000;
static const int64_t backoff_first_us = 100000;
static const int64_t backoff_last_us = 1000000;
/* A refusal within this time is tried once more at once. */
static const int64_t quick_us = 100000;

struct db *
db_new(const struct db_options *options)
{
	struct db *db = calloc(1, sizeof(*db));

	if (db == NULL)
		abort();
	db->options = *options;
	return db;
}

void
db_disconnect(struct db *db)
{
	if (db->connection != NULL)
		PQfinish(db->connection);
	db->connection = NULL;
	db->cancelled = false;
	memset(db->prepared, 0, sizeof(db->prepared));
	db->time.stale = true;
}

void
db_free(struct db *db)
{
	if (db == NULL)
		return;
	db_disconnect(db);
	free(db);
}

/* Keeps notices off stderr. A WARNING during COMMIT means that a standby may lack the
 * transaction ("already committed locally, but might not have been replicated"). */
static void
receive_notice(void *argument, const PGresult *result)
{
	struct db *db = argument;
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (severity != NULL && strcmp(severity, "WARNING") == 0)
		db->warned = true;
}

static enum fail
unavailable(struct db *db, struct task *task, const char *why)
{
	log_line(LOG_LEVEL_WARNING, "database unavailable", LOG_S("reason", why),
	         LOG_S("request_id", task->request_id));
	db_disconnect(db);
	return db_unavailable(task);
}

/* Logs the first line of libpq's message. It names hosts and users, so clients never get it. */
static enum fail
connect_failed(struct db *db, struct task *task, int64_t now_us)
{
	char *why = arena_copy(task->arena, PQerrorMessage(db->connection));

	why[strcspn(why, "\n")] = '\0';
	db->backoff_us = db->backoff_us == 0 ? backoff_first_us : 2 * db->backoff_us;
	if (db->backoff_us > backoff_last_us)
		db->backoff_us = backoff_last_us;
	db->retry_at_us = now_us + db->backoff_us;
	return unavailable(db, task, why);
}

/* The value that the environment has for libpq, or else ours. */
static const char *
environment_or(const char *name, const char *ours)
{
	const char *given = getenv(name);

	return given == NULL ? ours : given;
}

/* The options of the connection string or PGOPTIONS come first, so that ours count. JIT is off:
 * compiling one of our statements takes longer than running it. */
static const char *
session_options(const struct db_options *options, struct arena *arena)
{
	long long idle_ms = options->statement_timeout_ms * 2 + options->pause_ms;
	const char *given = db_url_part(arena, options->url, "options");

	return arena_printf(
	        arena,
	        "%s -c statement_timeout=%lld -c lock_timeout=%lld -c TimeZone=UTC -c jit=off "
	        "-c idle_in_transaction_session_timeout=%lld -c standard_conforming_strings=on",
	        given == NULL ? "" : given, (long long)options->statement_timeout_ms,
	        (long long)options->statement_timeout_ms, idle_ms);
}

/* The first values give way to those of the connection string, the last ones replace them. */
PGconn *
db_open(const struct db_options *options, struct arena *arena)
{
	struct hosts hosts = db_hosts(arena, options->url);
	const char *names[] = {"connect_timeout",
	                       "tcp_user_timeout",
	                       "target_session_attrs",
	                       "dbname",
	                       "host",
	                       "hostaddr",
	                       "port",
	                       "application_name",
	                       "client_encoding",
	                       "options",
	                       NULL};
	const char *values[] = {
	        environment_or("PGCONNECT_TIMEOUT", "3"),
	        "10000",
	        environment_or("PGTARGETSESSIONATTRS", hosts.several ? "read-write" : "any"),
	        options->url,
	        hosts.names,
	        hosts.addresses,
	        hosts.ports,
	        options->application_name,
	        "UTF8",
	        session_options(options, arena),
	        NULL};
	PGconn *connection = PQconnectdbParams(names, values, 1);

	if (PQstatus(connection) == CONNECTION_OK)
		db_hosts_remember(arena, options->url, PQhost(connection), PQport(connection));
	return connection;
}

bool
db_is_connected(const struct db *db)
{
	return db->connection != NULL && PQstatus(db->connection) == CONNECTION_OK;
}

/* Connects once more when the server quickly ended the first connection, as an administrator
 * may. Without that the back-off would begin, in which every request is refused. */
static void
connect_twice(struct db *db, struct task *task, int64_t start_us)
{
	db->connection = db_open(&db->options, task->arena);
	if (db_is_connected(db) || db->backoff_us != 0 ||
	    clock_monotonic_us() - start_us > quick_us)
		return;
	db_disconnect(db);
	db->connection = db_open(&db->options, task->arena);
}

enum fail
db_connect(struct db *db, struct task *task)
{
	int64_t start_us;

	if (db_is_connected(db))
		return FAIL_NONE;
	db_disconnect(db);
	start_us = clock_monotonic_us();
	/* The open transaction is lost. The rest of it must not run on a new connection. */
	if (db->depth > 0 || start_us < db->retry_at_us)
		return db_unavailable(task);
	connect_twice(db, task, start_us);
	db->waited_us += clock_monotonic_us() - start_us;
	if (!db_is_connected(db) || PQsetnonblocking(db->connection, 1) != 0)
		return connect_failed(db, task, clock_monotonic_us());
	PQsetNoticeReceiver(db->connection, receive_notice, db);
	db->backoff_us = 0;
	db->retry_at_us = 0;
	return FAIL_NONE;
}

void
db_notice_close(struct db *db)
{
	struct pollfd ready = {.events = POLLIN};

	if (db->connection == NULL || db->depth > 0)
		return;
	if (db->cancelled) {
		db_disconnect(db);
		return;
	}
	ready.fd = PQsocket(db->connection);
	/* While idle the server sends nothing but notices and the end of the connection. */
	while (poll(&ready, 1, 0) > 0) {
		if (PQconsumeInput(db->connection) != 0 &&
		    PQstatus(db->connection) == CONNECTION_OK)
			continue;
		db_disconnect(db);
		return;
	}
}

/* How long to wait for one answer, by the monotonic clock. */
struct wait {
	int64_t cancel_us; /* when to cancel the statement; 0: that was done */
	int64_t end_us;
};

static struct wait
wait_from(const struct db *db, int64_t start_us)
{
	int64_t end_us = start_us + db->options.statement_timeout_ms * 1000 + grace_us;
	int64_t early_us;

	if (db->deadline_us != 0 && db->deadline_us < end_us)
		end_us = db->deadline_us;
	early_us = (end_us - start_us) / 4;
	if (early_us > cancel_early_us)
		early_us = cancel_early_us;
	return (struct wait){.cancel_us = end_us - early_us, .end_us = end_us};
}

/* Called when nothing has come. False when the wait is over. A process that did not run for a moment may
 * notice its end first: without the cancellation a commit would wait for a standby that is away, also
 * when its connection is closed. */
static bool
goes_on(struct db *db, struct wait *wait, int64_t now_us)
{
	if (wait->cancel_us != 0 && now_us >= wait->cancel_us) {
		db_cancel(db);
		wait->cancel_us = 0;
	}
	return now_us < wait->end_us;
}

/* Sends what is buffered and waits until an answer can be taken; false when the time is over or
 * the connection is lost. */
static bool
await_answer(struct db *db, struct wait *wait)
{
	for (;;) {
		int unsent = PQflush(db->connection);
		struct pollfd ready = {.fd = PQsocket(db->connection),
		                       .events = (short)(POLLIN | (unsent > 0 ? POLLOUT : 0))};
		int64_t now_us = clock_monotonic_us(), left_us;

		if (unsent < 0)
			return false;
		if (unsent == 0 && PQisBusy(db->connection) == 0)
			return true;
		if (!goes_on(db, wait, now_us))
			return false;
		left_us = (wait->cancel_us != 0 ? wait->cancel_us : wait->end_us) - now_us;
		if (poll(&ready, 1, (int)(left_us / 1000) + 1) < 0 && errno != EINTR)
			return false;
		if (ready.revents != 0 && PQconsumeInput(db->connection) == 0)
			return false;
	}
}

static bool
is_error(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK;
}

/* The result of an answer whose end never came: an error counts. A success does not, as the
 * server sends it before it commits a statement that stands alone. */
static PGresult *
unfinished(PGresult *kept)
{
	if (kept == NULL || is_error(kept))
		return kept;
	PQclear(kept);
	return NULL;
}

PGresult *
db_await(struct db *db)
{
	int64_t start_us = clock_monotonic_us();
	struct wait wait = wait_from(db, start_us);
	PGresult *kept = NULL;

	db->late = false;
	for (;;) {
		PGresult *next = NULL;

		if (!await_answer(db, &wait)) {
			db->waited_us += clock_monotonic_us() - start_us;
			return unfinished(kept);
		}
		next = PQgetResult(db->connection);
		if (next == NULL)
			break;
		if (kept != NULL && is_error(kept)) {
			PQclear(next);
			continue;
		}
		db->late = kept != NULL && is_error(next);
		PQclear(kept);
		kept = next;
	}
	db->waited_us += clock_monotonic_us() - start_us;
	return kept;
}

void
db_set_statement_timeout(struct db *db, int64_t timeout_ms)
{
	db_disconnect(db);
	db->options.statement_timeout_ms = timeout_ms;
}

void
db_set_deadline(struct db *db, int64_t deadline_us)
{
	db->deadline_us = deadline_us;
	db->confirmed = false;
}

int64_t
db_take_waited_us(struct db *db)
{
	int64_t waited_us = db->waited_us;

	db->waited_us = 0;
	return waited_us;
}

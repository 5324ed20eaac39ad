/* worker.c: a process that answers requests, one at a time. */
#include "billingd/worker.h"

#include <malloc.h>
#include <openssl/err.h>
#include <signal.h>
#include <stddef.h>

#include "api/caller.h"
#include "base/arena.h"
#include "base/log.h"
#include "billingd/child.h"
#include "billingd/generation.h"
#include "billingd/signing.h"
#include "billingd/sold_terms.h"
#include "http/connections.h"
#include "http/fcgi.h"

enum {
	REQUEST_ARENA_LIMIT = 64 * 1024 * 1024,
	TAKE_SIGNALS_EVERY_US = 1000,
	TRIM_EVERY_REQUESTS = 1000,
	TRIM_IDLE_MS = 1000
};

/* Set by the handlers, read in the loop; the only state that a handler can reach. */
static volatile sig_atomic_t must_drain;
static volatile sig_atomic_t must_retire;

static void
on_signal(int signal)
{
	if (signal == WORKER_RETIRE)
		must_retire = 1;
	else
		must_drain = 1;
}

/* Called after libfcgi has installed handlers of its own. */
static void
install_handlers(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	sigemptyset(&action.sa_mask);
	sigemptyset(&ignore.sa_mask);
	(void)sigaction(WORKER_DRAIN, &action, NULL);
	(void)sigaction(WORKER_RETIRE, &action, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGHUP, &ignore, NULL);
	(void)sigaction(SIGINT, &ignore, NULL);
}

static void
log_request(const struct call *call, int64_t took_us, int64_t database_us)
{
	const struct caller *caller = &call->caller;
	bool known = caller->kind != CALLER_NOBODY;

	log_line(LOG_LEVEL_INFO, "request", LOG_S("request_id", call->request->task.request_id),
	         LOG_S("method", request_method_name(call->request->method)),
	         LOG_S("route", call->route == NULL ? "none" : call->route->entry.pattern),
	         LOG_S("caller", caller_kind_name(caller)),
	         LOG_S("key_id", known ? caller->key.key_id : NULL),
	         LOG_I("status", call->response->status),
	         LOG_S("code", call->request->task.failure.code), LOG_MS("ms", took_us),
	         LOG_MS("db_ms", database_us));
}

/* Any worker may serve the connection's next request from now on. */
static void
return_connection(const struct child *child, const struct connection *connection,
                  enum fcgi_end end)
{
	if (end == FCGI_KEEP && !must_drain)
		connections_keep(child->connections, connection);
	else
		connections_close(child->connections, connection, end == FCGI_CLOSED);
}

static void
serve(struct api *api, struct fcgi *fcgi, const struct child *child,
      const struct connection *connection, struct request *request)
{
	int64_t start_us = clock_monotonic_us(), took_us, database_us;
	struct task afterwards = task_attempt(&request->task);
	struct response response = {0};
	enum fcgi_end end;
	struct call call;
	size_t route;

	signing_refresh(api);
	sold_terms_load(api);
	api_serve(api, request, &response, &call);
	end = fcgi_answer(fcgi, request, &response);
	return_connection(child, connection, end);
	if (end == FCGI_CLOSED)
		log_line(LOG_LEVEL_INFO, "client went away",
		         LOG_S("request_id", request->task.request_id));
	took_us = clock_monotonic_us() - start_us;
	database_us = db_take_waited_us(api->db);
	route = call.route == NULL ? api_route_count : (size_t)(call.route - api_routes);
	metrics_request(api->metrics, route, response.status, took_us, database_us);
	log_request(&call, took_us, database_us);
	db_refresh_clock(api->db, &afterwards);
	/* A refused token may have left errors in OpenSSL's queue, which the next request must
	 * not see. */
	ERR_clear_error();
}

/* epoll_pwait() delivers no signal while a request waits, which under load is always. Short
 * requests share one call. */
static void
take_signals(const sigset_t *open_signals)
{
	static int64_t next_us;
	int64_t now_us = clock_monotonic_us();
	sigset_t blocked;

	if (now_us < next_us)
		return;
	next_us = now_us + TAKE_SIGNALS_EVERY_US;
	(void)sigprocmask(SIG_SETMASK, open_signals, &blocked);
	(void)sigprocmask(SIG_SETMASK, &blocked, NULL);
}

/* Gives freed memory back to the system. That takes as long as a few requests, so it is done now and
 * then, and in a pause. `count`: the requests since. */
static void
trim_memory(int64_t *count)
{
	(void)malloc_trim(0);
	*count = 0;
}

/* Sleeps until a request arrives. Signals are unblocked only here, so a request is never
 * interrupted. Only CONNECTIONS_REQUEST has one: with another value it is time to end. */
static enum connections_found
await_request(struct connections *connections, const sigset_t *open_signals, int64_t *untrimmed,
              struct connection *out)
{
	while (!must_retire) {
		int pause_ms = *untrimmed > 0 ? TRIM_IDLE_MS : -1;
		enum connections_found found = connections_wait(
		        connections, must_drain ? 0 : pause_ms, open_signals, out);

		take_signals(open_signals);
		/* No other worker was woken for this request, so it is served even if a signal
		 * has come. */
		if (found == CONNECTIONS_REQUEST || found == CONNECTIONS_BROKEN)
			return found;
		if (must_drain && found == CONNECTIONS_EMPTY)
			return found;
		if (found == CONNECTIONS_EMPTY)
			trim_memory(untrimmed);
	}
	return CONNECTIONS_EMPTY;
}

/* Whether there was a request. */
static bool
serve_connection(struct api *api, struct fcgi *fcgi, const struct child *child,
                 struct arena *arena, const struct connection *connection)
{
	struct request request = {.task = {.arena = arena}};
	bool read = fcgi_read(fcgi, connection->fd, &request);

	if (read) {
		/* A worker that crashes in its first request had started correctly, so its
		 * replacement is not delayed. */
		atomic_store(child->started, true);
		serve(api, fcgi, child, connection, &request);
	} else {
		return_connection(child, connection, FCGI_CLOSED);
	}
	arena_reset(arena);
	return read;
}

static int
accept_requests(struct api *api, struct fcgi *fcgi, const struct child *child)
{
	struct arena *arena = arena_new(REQUEST_ARENA_LIMIT);
	struct task task = {.arena = arena};
	struct instant now;
	int64_t left = api->settings->worker_max_requests, untrimmed = 0;
	enum connections_found found = CONNECTIONS_EMPTY;
	struct connection connection;
	sigset_t open_signals;

	/* Without the database's clock the first request would use this host's. */
	if (db_clock(api->db, &task, &now) != FAIL_NONE)
		task_clear(&task);
	arena_reset(arena);
	sigfillset(&open_signals);
	sigdelset(&open_signals, WORKER_DRAIN);
	sigdelset(&open_signals, WORKER_RETIRE);
	atomic_store(child->serving, true);
	while (left > 0 && (found = await_request(child->connections, &open_signals, &untrimmed,
	                                          &connection)) == CONNECTIONS_REQUEST) {
		left -= serve_connection(api, fcgi, child, arena, &connection);
		if (++untrimmed >= TRIM_EVERY_REQUESTS)
			trim_memory(&untrimmed);
	}
	arena_free(arena);
	if (found == CONNECTIONS_BROKEN)
		log_line(LOG_LEVEL_ERROR, "cannot accept connections");
	return found == CONNECTIONS_BROKEN;
}

int
worker_run(const struct child *child)
{
	struct api *api = child_enter(child);
	struct fcgi *fcgi;
	int status;

	if (api == NULL)
		return 1;
	fcgi = fcgi_new();
	install_handlers();
	status = connections_enter(child->connections) ? accept_requests(api, fcgi, child) : 1;
	fcgi_free(fcgi);
	child_leave(api);
	return status;
}

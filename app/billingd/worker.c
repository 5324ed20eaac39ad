/* worker.c: a process that answers requests, one at a time. */
#include "billingd/worker.h"

#include <openssl/err.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "api/caller.h"
#include "base/arena.h"
#include "base/log.h"
#include "billingd/generation.h"
#include "billingd/signing.h"
#include "http/fcgi.h"

enum { REQUEST_ARENA_LIMIT = 64 * 1024 * 1024 };

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

static void
serve(struct api *api, struct fcgi *fcgi, struct request *request)
{
	int64_t start_us = clock_monotonic_us(), took_us, database_us;
	struct task afterwards = task_attempt(&request->task);
	struct response response = {0};
	struct call call;
	size_t route;

	signing_refresh(api);
	api_serve(api, request, &response, &call);
	if (!fcgi_answer(fcgi, request, &response))
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

/* epoll_pwait() delivers no signal while a connection waits, which under load is always. */
static void
take_signals(const sigset_t *open_signals)
{
	sigset_t blocked;

	(void)sigprocmask(SIG_SETMASK, open_signals, &blocked);
	(void)sigprocmask(SIG_SETMASK, &blocked, NULL);
}

/* With EPOLLEXCLUSIVE a connection wakes one idle worker, where poll() would wake all. If that
 * worker dies first, the next one that starts or wakes accepts the connection. -1 when there is
 * no memory. */
static int
watch(int listen_fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	int watch_fd = epoll_create1(EPOLL_CLOEXEC);

	if (watch_fd >= 0 && epoll_ctl(watch_fd, EPOLL_CTL_ADD, listen_fd, &event) == 0)
		return watch_fd;
	if (watch_fd >= 0)
		close(watch_fd);
	return -1;
}

/* Sleeps until a connection waits. Signals are unblocked only here, so a request is never
 * interrupted. False when it is time to end. */
static bool
await_connection(int watch_fd, const sigset_t *open_signals)
{
	while (!must_retire) {
		struct epoll_event event;
		int ready = epoll_pwait(watch_fd, &event, 1, must_drain ? 0 : -1, open_signals);

		take_signals(open_signals);
		/* No other worker was woken for this connection, so it is served even if a
		 * signal has come. */
		if (ready > 0)
			return true;
		/* 0 means that the queue is empty; an interrupted wait does not. */
		if (must_drain && ready == 0)
			return false;
	}
	return false;
}

static int
accept_requests(struct api *api, struct fcgi *fcgi, const struct child *child, int watch_fd)
{
	struct arena *arena = arena_new(REQUEST_ARENA_LIMIT);
	struct task task = {.arena = arena};
	struct instant now;
	int64_t left = api->settings->worker_max_requests;
	sigset_t open_signals;
	int status = 0;

	/* Without the database's clock the first request would use this host's. */
	if (db_clock(api->db, &task, &now) != FAIL_NONE)
		task_clear(&task);
	arena_reset(arena);
	sigfillset(&open_signals);
	sigdelset(&open_signals, WORKER_DRAIN);
	sigdelset(&open_signals, WORKER_RETIRE);
	while (left > 0 && await_connection(watch_fd, &open_signals)) {
		struct request request = {.task = {.arena = arena}};
		enum fcgi_accepted accepted = fcgi_accept(fcgi, &request);

		if (accepted == FCGI_BROKEN) {
			log_line(LOG_LEVEL_ERROR, "cannot accept connections");
			status = 1;
			break;
		}
		if (accepted == FCGI_REQUEST) {
			/* A worker that crashes in its first request had started correctly, so
			 * its replacement is not delayed. */
			atomic_store(child->started, true);
			serve(api, fcgi, &request);
			left--;
		}
		arena_reset(arena);
	}
	arena_free(arena);
	return status;
}

int
worker_run(const struct child *child)
{
	struct fcgi *fcgi;
	struct api api;
	int status, watch_fd;

	if (!generation_enter(child, &api))
		return 1;
	fcgi = fcgi_new(child->listen_fd);
	install_handlers();
	watch_fd = watch(child->listen_fd);
	status = watch_fd < 0 ? 1 : accept_requests(&api, fcgi, child, watch_fd);
	if (watch_fd >= 0)
		close(watch_fd);
	fcgi_free(fcgi);
	generation_leave(&api);
	return status;
}

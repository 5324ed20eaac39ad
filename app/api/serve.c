/* serve.c: the steps of one request: route, caller, input, handler, answer. */
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "api/caller.h"
#include "api/input.h"
#include "api/replay.h"
#include "api/share.h"
#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"

/* The longest time that a request may wait for a worker and for the database. nginx gives up
 * after 15 s; a client must not get 504 for work that is committed later. */
static const int64_t request_budget_us = 12000000;

/* Time to wait for Stripe is added, in nginx too: after Stripe has answered, the database must
 * still be there to store the outcome. */
static int64_t
stripe_budget_us(const struct api *api)
{
	return api->stripe == NULL ? 0 : api->settings->stripe_deadline_ms * 1000;
}

static const char *
allow_header(struct arena *arena, unsigned int allowed)
{
	struct text text = text_new(arena, 64);

	if ((allowed & (1U << HTTP_GET)) != 0)
		allowed |= 1U << HTTP_HEAD;
	allowed |= 1U << HTTP_OPTIONS;
	for (unsigned int method = 0; method < HTTP_OTHER; method++)
		if ((allowed & (1U << method)) != 0)
			text_printf(&text, "%s%s", text.length > 0 ? ", " : "",
			            request_method_name((enum http_method)method));
	return text.data;
}

static bool
is_allowed_origin(const char *origins, const char *origin)
{
	const char *item;
	size_t length;

	while (origin != NULL && text_next_item(&origins, &item, &length))
		if (length == strlen(origin) && strncmp(item, origin, length) == 0)
			return true;
	return false;
}

/* Only origins in CORS_ORIGINS get the headers that let a page read the answer (Fetch, CORS
 * protocol). */
static void
set_cors(struct call *call, unsigned int allowed)
{
	const char *origins = call->api->settings->cors_origins;
	const char *origin = call->request->headers.origin;

	if (*origins == '\0')
		return;
	response_header(call->response, "Vary", "Origin");
	if (!is_allowed_origin(origins, origin))
		return;
	response_header(call->response, "Access-Control-Allow-Origin", origin);
	response_header(call->response, "Access-Control-Expose-Headers",
	                "X-Request-Id, ETag, Retry-After, Idempotent-Replayed");
	if (call->request->method != HTTP_OPTIONS)
		return;
	response_header(call->response, "Access-Control-Allow-Methods",
	                allow_header(call->request->task.arena, allowed));
	response_header(
	        call->response, "Access-Control-Allow-Headers",
	        "Authorization, X-API-Key, Content-Type, Idempotency-Key, If-None-Match");
	response_header(call->response, "Access-Control-Max-Age", "600");
}

/* Finds the route, or answers without one: OPTIONS, 404, 405. */
static enum fail
find_route(struct call *call)
{
	const struct router router = {api_routes, sizeof(*api_routes), api_route_count};
	struct request *request = call->request;
	struct task *task = &request->task;
	unsigned int allowed;
	const char *methods;

	call->route = router_find(&router, request, &allowed);
	set_cors(call, allowed);
	if (call->route != NULL)
		return FAIL_NONE;
	if (allowed == 0)
		return task_fail(task, FAIL_NOT_FOUND, "not_found", "There is nothing here.");
	methods = allow_header(task->arena, allowed);
	response_header(call->response, "Allow", methods);
	if (request->method != HTTP_OPTIONS)
		return task_fail(task, FAIL_METHOD, "method_not_allowed", "This path takes %s.",
		                 methods);
	call->response->status = 204;
	return FAIL_NONE;
}

/* A worker of the main pool must not wait for Stripe and has no key of Stripe. The few workers of
 * the Stripe pool are for requests that wait. So each refuses routes of the other pool. */
static enum fail
check_pool(struct call *call)
{
	struct api *api = call->api;

	if (call->route->any_pool || api->pool == call->route->pool)
		return FAIL_NONE;
	if (!api->misdirected)
		log_line(LOG_LEVEL_ERROR,
		         "nginx sends a request to the wrong socket: include this version's "
		         "billing-http.conf and billing-locations.conf, which know "
		         "BILLING_SOCKET "
		         "and BILLING_STRIPE_SOCKET",
		         LOG_S("route", call->route->entry.pattern));
	api->misdirected = true;
	return task_fail(&call->request->task, FAIL_UNAVAILABLE, "wrong_pool",
	                 "Payments are not set up on this server.");
}

/* The caller of such a route has not been looked up yet. An unknown caller is told so, and
 * learns nothing about its input. */
static enum fail
refuse_input(struct call *call)
{
	struct task *task = &call->request->task;
	const struct failure fault = task->failure;

	if (!call->route->joins_caller && !db_has_ahead(call->operation.db))
		return fault.kind;
	db_send_ahead(call->operation.db, NULL);
	task_clear(task);
	TRY(caller_resolve(call));
	task->failure = fault;
	return fault.kind;
}

/* A client that has waited so long has given up, or is about to. */
static enum fail
check_waiting_time(struct call *call)
{
	if (call->request->waited_ms * 1000 < request_budget_us + stripe_budget_us(call->api))
		return FAIL_NONE;
	return task_fail(&call->request->task, FAIL_UNAVAILABLE, "service_unavailable",
	                 "The service is too busy at the moment; try again soon.");
}

static enum fail
run_route(struct call *call)
{
	return replay_applies(call) ? replay_or_run(call) : call->route->handler(call);
}

/* After a deadlock or a conflict the transaction runs again, with a pause in which the other
 * one can finish. A request to the Stripe pool is not repeated, as it may have committed steps;
 * its client repeats it. */
static enum fail
run_route_again(struct call *call)
{
	static const useconds_t pauses_us[] = {20000, 100000};
	struct operation *operation = &call->operation;
	enum fail kind = run_route(call);

	for (size_t i = 0; i < sizeof(pauses_us) / sizeof(*pauses_us); i++) {
		if (kind != FAIL_UNAVAILABLE || call->route->pool != POOL_MAIN ||
		    !db_may_repeat(operation->db))
			break;
		db_rollback_to(operation->db, 0);
		task_clear(operation->task);
		(void)usleep(pauses_us[i]);
		kind = run_route(call);
	}
	return kind;
}

/* Whether the answer says that what the request asks for is done, by it or before it. */
static bool
says_done(const struct call *call, enum fail kind)
{
	enum http_method method = call->request->method;

	if (method == HTTP_GET || method == HTTP_HEAD || call->route->confirms)
		return false;
	return kind == FAIL_NONE || kind == FAIL_CONFLICT || kind == FAIL_NOT_FOUND;
}

/* A repeated request may find its change made: the key revoked, the customer deleted, the address
 * taken by its own first attempt. That is answered only when it is as safe as a new change would be. */
static enum fail
confirm(struct call *call, enum fail kind)
{
	struct task *task = call->operation.task;
	const struct failure answer = task->failure;

	if (!says_done(call, kind))
		return kind;
	db_rollback_to(call->operation.db, 0);
	task_clear(task);
	TRY(db_confirm_work(call->operation.db, task));
	task->failure = answer;
	return kind;
}

/* Only a caller that was admitted gets an answer of the handler, which may have ended before its first
 * statement. */
static enum fail
judge_caller(struct call *call, enum fail kind)
{
	if (!call->caller.has_digest || call->caller.kind != CALLER_NOBODY)
		return kind;
	if (kind != FAIL_NONE)
		return response_status_of(kind) < 500 && db_has_ahead(call->operation.db)
		               ? refuse_input(call)
		               : kind;
	db_send_ahead(call->operation.db, NULL);
	return caller_resolve(call);
}

static enum fail
run_within_share(struct call *call)
{
	enum fail kind = share_enter(call);

	if (kind == FAIL_NONE)
		kind = confirm(call, run_route_again(call));
	kind = judge_caller(call, kind);
	share_leave(call);
	return kind;
}

/* The statement that reads the caller's key knows no session. */
static bool
joins_caller(const struct call *call)
{
	return call->route->joins_caller && !call->caller.has_session;
}

static enum fail
answer(struct call *call)
{
	if (call->request->broken != FAIL_NONE)
		return call->request->broken;
	TRY(check_waiting_time(call));
	TRY(find_route(call));
	if (call->route == NULL)
		return FAIL_NONE;
	TRY(check_pool(call));
	TRY(input_check_size(call));
	TRY(caller_read(call));
	caller_take_path_id(call);
	/* A stored answer is only for the caller that got it first, so the caller must be
	 * known. */
	if (call->route->entry.method == HTTP_GET && !joins_caller(call))
		caller_resolve_ahead(call);
	else if (!joins_caller(call) || replay_applies(call))
		TRY(caller_resolve(call));
	if (input_read(call) != FAIL_NONE)
		return refuse_input(call);
	return run_within_share(call);
}

void
api_serve(struct api *api, struct request *request, struct response *response,
          struct call *call)
{
	int64_t arrived_us = clock_monotonic_us() - request->waited_ms * 1000;
	int64_t stripe_until_us = arrived_us + stripe_budget_us(api);

	*call = (struct call){
	        .api = api,
	        .request = request,
	        .response = response,
	        .operation = {.task = &request->task,
	                      .db = api->db,
	                      .billing = &api->billing,
	                      .stripe = api->stripe,
	                      .stripe_idle = api->stripe_idle,
	                      .actor = "nobody",
	                      .now_ms = db_now_ms(api->db),
	                      .deadline_us = stripe_until_us},
	};
	caller_trust(call);
	db_set_deadline(api->db, stripe_until_us + request_budget_us);
	if (answer(call) != FAIL_NONE) {
		if (request->task.failure.kind == FAIL_INTERNAL)
			log_line(LOG_LEVEL_ERROR, request->task.failure.message,
			         LOG_S("request_id", request->task.request_id));
		response_failure(response, &request->task);
	}
	db_send_ahead(api->db, NULL);
	db_rollback_to(api->db, 0);
	caller_record_refusal(call, &request->task.failure);
	if (response->status < 500)
		caller_touch(call);
	response_header(response, "X-Request-Id", request->task.request_id);
	if (response_header_value(response, "Cache-Control") == NULL)
		response_header(response, "Cache-Control", "no-store");
}

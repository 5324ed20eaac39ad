/* operations.c: health, readiness, metrics and the OpenAPI document. */
#include <string.h>

#include "api/caller.h"
#include "api/handlers.h"
#include "api/render.h"
#include "base/arena.h"
#include "base/digest.h"
#include "base/encoding.h"
#include "base/text.h"
#include "db/migrations.h"
#include "db/server.h"
#include "events/horizon.h"
#include "issuing/revocation_list.h"
#include "notices/records.h"
#include "outbox/call_records.h"
#include "outbox/calls.h"
#include "subscriptions/unknown_prices.h"
#include "sync/events.h"
#include "webhooks/queue.h"

enum { CLOCK_SLACK_MS = 5000, JOBS_SILENCE_S = 120, MAIL_SILENCE_S = 900 };
enum { STRIPE_EVENT_WAIT_MAX_S = 900 };

/* The linker's names for the bytes of openapi.json. */
extern const char _binary_openapi_json_start[], _binary_openapi_json_end[];

enum fail
get_health(struct call *call)
{
	struct json_out json = answer_begin(call, 128);

	json_out_string(&json, "status", "healthy");
	json_out_string(&json, "service", "billing");
	json_out_time(&json, "timestamp", INSTANT_MS(call->operation.now_ms));
	return answer_end(call, 200, &json);
}

/* A member of /health/ready. Without a vital check the answer is 503; any other failed check
 * makes it "degraded", and this host stays in use. */
struct check {
	const char *name;
	bool ok;
	const char *detail;
	bool vital;
};

static struct check
check_database(struct call *call, struct instant *database_now)
{
	struct task *task = call->operation.task;
	struct db *db = call->operation.db;
	bool writable = false;

	if (db_clock(db, task, database_now) != FAIL_NONE ||
	    server_is_writable(db, task, &writable) != FAIL_NONE) {
		task_clear(task);
		return (struct check){"database", false, "does not answer", true};
	}
	return (struct check){"database", writable,
	                      writable ? "answers" : "is read-only, or a standby", true};
}

/* Files that were added to the folder since the start are for the next version of the program. */
static struct check
check_migrations(struct call *call)
{
	struct task *task = call->operation.task;
	const struct migration_list *known = call->api->migrations;
	size_t pending;
	bool compared = known != NULL && migrations_count_pending(call->operation.db, task,
	                                                          known, &pending) == FAIL_NONE;

	task_clear(task);
	if (!compared)
		return (struct check){"migrations", false, "cannot be compared", true};
	return (struct check){"migrations", pending == 0, pending == 0 ? "applied" : "pending",
	                      true};
}

/* A host without the private half of the key that all hosts sign with cannot issue licences. */
static struct check
check_signing_key(struct call *call)
{
	const struct license_keys *keys = &call->api->billing.keys;
	const char *dir = call->api->settings->keys_dir;

	if (license_keys_signing(keys) != NULL)
		return (struct check){"signing_key", true, "loaded", true};
	return (struct check){"signing_key", false,
	                      arena_printf(call->operation.task->arena,
	                                   "%s lacks the private half of %s: copy the file of "
	                                   "the host that has it",
	                                   dir, keys->items[0].kid),
	                      true};
}

/* Reading goes on without the standby, so the host stays in use. */
static struct check
check_standby(const struct call *call)
{
	bool away = metrics_value(call->api->metrics, METRIC_STANDBY_AWAY) != 0;

	return (struct check){"standby", !away,
	                      away ? "no synchronous standby confirms: changes are refused"
	                           : "confirms, or none is needed",
	                      false};
}

/* Each host goes on with its own plans, and takes them to be right, so the host stays in use. */
static struct check
check_plans(const struct call *call)
{
	int64_t differ = metrics_value(call->api->metrics, METRIC_HOSTS_OTHER_PLANS);

	if (differ == 0)
		return (struct check){"plans", true, "no other host has other plans", false};
	return (struct check){"plans", false,
	                      arena_printf(call->operation.task->arena,
	                                   "hosts that have loaded other plans: %lld",
	                                   (long long)differ),
	                      false};
}

static struct check
check_clock(struct instant database_now)
{
	int64_t off_ms = database_now.ms - clock_now_ms();

	if (!database_now.known)
		return (struct check){"clock", false, "cannot be compared with the database's",
		                      true};
	if (off_ms < -CLOCK_SLACK_MS || off_ms > CLOCK_SLACK_MS)
		return (struct check){"clock", false, "is far from the database's", true};
	return (struct check){"clock", true, "agrees with the database's", true};
}

static struct check
check_jobs(const struct call *call)
{
	int64_t last_s = metrics_value(call->api->metrics, METRIC_JOBS_LAST_RUN);
	bool ok = call->operation.now_ms / SECOND_MS - last_s < JOBS_SILENCE_S;

	return (struct check){"jobs", ok, ok ? "run" : "have not run for two minutes", true};
}

/* Load balancers take this host out before its sockets close. */
static struct check
check_stop(const struct call *call)
{
	bool ok = call->api->stopping == NULL || !atomic_load(call->api->stopping);

	return (struct check){"serving", ok, ok ? "goes on" : "stops soon", true};
}

/* Events of Stripe and requests to it that wait or have failed. */
static struct check
check_stripe(struct call *call)
{
	struct operation *operation = &call->operation;
	struct check check = {"stripe", true, "events are dealt with", false};
	struct stripe_event_figures events;
	struct stripe_call_figures calls;
	int64_t unknown;

	if (!operation->billing->sales.configured)
		return (struct check){"stripe", true, "is not configured", false};
	if (metrics_value(call->api->metrics, METRIC_STRIPE_OTHER_ACCOUNT) > 0)
		return (struct check){"stripe", false,
		                      "the key is of another account than the data", false};
	if (stripe_event_figures(operation, &events) != FAIL_NONE ||
	    stripe_call_figures(operation, &calls) != FAIL_NONE ||
	    unknown_prices_count(operation, &unknown) != FAIL_NONE) {
		task_clear(operation->task);
		return (struct check){"stripe", false, "cannot be looked at", false};
	}
	check.ok = events.parked == 0 && calls.parked == 0;
	if (!check.ok)
		check.detail = arena_printf(operation->task->arena,
		                            "%lld events and %lld calls are parked",
		                            (long long)events.parked, (long long)calls.parked);
	else if (seconds_since(operation, events.oldest_pending) > STRIPE_EVENT_WAIT_MAX_S)
		check = (struct check){"stripe", false, "events have waited too long", false};
	else if (unknown > 0)
		check = (struct check){"stripe", false,
		                       arena_printf(operation->task->arena,
		                                    "%lld subscriptions have a price that no "
		                                    "plan has",
		                                    (long long)unknown),
		                       false};
	return check;
}

/* The revocation list that is served. */
static struct check
check_revocations(struct call *call)
{
	struct operation *operation = &call->operation;
	struct revocation_list_figures figures;
	const char *fault;

	if (revocation_list_figures(operation, &figures) != FAIL_NONE) {
		task_clear(operation->task);
		return (struct check){"revocations", false, "cannot be looked at", false};
	}
	fault = revocation_list_fault(operation, &figures);
	return (struct check){"revocations", fault == NULL,
	                      fault == NULL ? "the list is current" : fault, false};
}

/* Events on their way to webhook endpoints. */
static struct check
check_webhooks(struct call *call)
{
	struct operation *operation = &call->operation;
	struct arena *arena = operation->task->arena;
	struct webhook_figures figures;

	if (webhook_figures(operation, &figures) != FAIL_NONE) {
		task_clear(operation->task);
		return (struct check){"webhooks", false, "cannot be looked at", false};
	}
	if (metrics_value(call->api->metrics, METRIC_WEBHOOK_KEY_MISSING) > 0)
		return (struct check){"webhooks", false, "this host lacks the key", false};
	if (figures.disabled > 0 || figures.failing > 0)
		return (struct check){
		        "webhooks", false,
		        arena_printf(arena, "%lld endpoints fail, %lld are disabled",
		                     (long long)figures.failing, (long long)figures.disabled),
		        false};
	if (seconds_since(operation, figures.waiting_since) > WEBHOOK_WAIT_MAX_S)
		return (struct check){"webhooks", false, "events have waited too long", false};
	return (struct check){"webhooks", true, "events are sent", false};
}

/* The mail server. Nothing but notices waits for it, so the host stays in use. */
static struct check
check_mail(const struct call *call)
{
	const struct metrics *metrics = call->api->metrics;
	int64_t waiting_s = metrics_value(metrics, METRIC_NOTICES_WAITING);
	int64_t last_s = metrics_value(metrics, METRIC_MAIL_JOBS_LAST_RUN);

	if (!call->operation.billing->mail.configured)
		return (struct check){"mail", true, "is not configured", false};
	if (metrics_value(metrics, METRIC_MAIL_SERVER_AWAY) != 0)
		return (struct check){"mail", false,
		                      "the mail server does not answer as it should", false};
	if (last_s > 0 && call->operation.now_ms / SECOND_MS - last_s > MAIL_SILENCE_S)
		return (struct check){"mail", false, "the sending of notices hangs", false};
	if (waiting_s > NOTICE_WAIT_MAX_S)
		return (struct check){"mail", false, "notices have waited too long", false};
	return (struct check){"mail", true, "notices are sent", false};
}

/* The log of events, whose readers wait for the oldest open transaction. */
static struct check
check_events(struct call *call)
{
	struct operation *operation = &call->operation;
	struct event_horizon horizon;

	if (event_horizon_read(operation, &horizon) != FAIL_NONE) {
		task_clear(operation->task);
		return (struct check){"events", false, "cannot be looked at", false};
	}
	if (seconds_since(operation, horizon.waiting_since) > EVENT_WAIT_MAX_S)
		return (struct check){"events", false, "events wait for an open transaction",
		                      false};
	if (horizon.months_missing > 0)
		return (struct check){"events", false, "a month has no table", false};
	return (struct check){"events", true, "readers get all events", false};
}

/* Whether the caller sees the reasons, which name paths and figures of the business: who asks from this
 * host, also without nginx, and an operator. A key cannot be looked up without the database. */
static bool
sees_details(struct call *call, bool has_database)
{
	const char *address = call->request->address;

	if (*address == '\0' || text_starts_with(address, "127.") ||
	    strcmp(address, "::1") == 0)
		return true;
	if (!has_database)
		return false;
	if (caller_recognise(call) != FAIL_NONE) {
		task_clear(call->operation.task);
		return false;
	}
	return call->caller.kind == CALLER_OPERATOR;
}

static void
render_checks(struct json_out *json, const struct check *checks, size_t count, bool has_details)
{
	static const char *const plain[] = {"failed; operators see the reason", "passed"};

	json_out_open(json, "checks", '{');
	for (size_t i = 0; i < count; i++) {
		json_out_open(json, checks[i].name, '{');
		json_out_bool(json, "ok", checks[i].ok);
		json_out_string(json, "detail",
		                has_details ? checks[i].detail : plain[checks[i].ok]);
		json_out_close(json, '}');
	}
	json_out_close(json, '}');
}

enum fail
get_ready(struct call *call)
{
	struct instant database_now = INSTANT_NONE;
	struct check database = check_database(call, &database_now);
	const struct check checks[] = {
	        database,
	        database.ok ? check_migrations(call)
	                    : (struct check){"migrations", false, "cannot be compared", true},
	        check_standby(call),
	        check_signing_key(call),
	        check_plans(call),
	        check_clock(database_now),
	        check_jobs(call),
	        check_stop(call),
	        check_stripe(call),
	        check_revocations(call),
	        check_events(call),
	        check_webhooks(call),
	        check_mail(call),
	};
	struct json_out json = answer_begin(call, 1024);
	size_t count = sizeof(checks) / sizeof(*checks);
	bool ready = true, fine = true;

	for (size_t i = 0; i < count; i++) {
		ready = ready && (checks[i].ok || !checks[i].vital);
		fine = fine && checks[i].ok;
	}
	json_out_string(&json, "status", !ready ? "unavailable" : fine ? "ready" : "degraded");
	render_checks(&json, checks, count, sees_details(call, database.ok));
	json_out_time(&json, "timestamp", INSTANT_MS(call->operation.now_ms));
	if (!ready)
		response_header(call->response, "Retry-After", "1");
	return answer_end(call, ready ? 200 : 503, &json);
}

enum fail
get_metrics(struct call *call)
{
	struct text text = text_new(call->operation.task->arena, 8192);

	metrics_render(call->api->metrics, &text, api_route_labels);
	call->response->status = 200;
	call->response->body = text.data;
	call->response->length = text.length;
	response_header(call->response, "Content-Type", "text/plain; version=0.0.4");
	return FAIL_NONE;
}

/* The document's tag, in the arena: its digest, which a process computes once. */
static const char *
openapi_tag(struct arena *arena, size_t length)
{
	static struct sha256 digest;
	static bool known;

	if (!known)
		digest = digest_sha256(_binary_openapi_json_start, length);
	known = true;
	return arena_printf(arena, "\"%s\"", hex_encode(arena, digest.bytes, 16));
}

enum fail
get_openapi(struct call *call)
{
	/* The linker defines both symbols, at the two ends of one object. */
	size_t length = (size_t)((uintptr_t)_binary_openapi_json_end -
	                         (uintptr_t)_binary_openapi_json_start);
	const char *tag = openapi_tag(call->operation.task->arena, length);

	if (answer_not_modified(call, tag, "public, max-age=300"))
		return FAIL_NONE;
	call->response->status = 200;
	call->response->body = _binary_openapi_json_start;
	call->response->length = length;
	response_header(call->response, "Content-Type", "application/json");
	return FAIL_NONE;
}

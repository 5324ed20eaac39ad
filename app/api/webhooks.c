/* webhooks.c: checks an event that Stripe sends and stores it; a job processes it later. */
#include "api/handlers.h"
#include "api/render.h"
#include "base/log.h"
#include "stripe/signature.h"
#include "sync/events.h"
#include "sync/families.h"

static enum fail
check_signature(struct call *call)
{
	const struct request *request = call->request;
	struct task *task = call->operation.task;
	const char *secrets = call->api->billing.sales.webhook_secrets, *fault;

	if (*secrets == '\0')
		return fail_stripe_not_configured(task);
	fault = stripe_signature_fault(task->arena, request->headers.stripe_signature,
	                               request->body, request->body_length, secrets,
	                               call->operation.now_ms);
	if (fault == NULL)
		return FAIL_NONE;
	metrics_add(call->api->metrics, METRIC_STRIPE_EVENTS_REFUSED, 1);
	log_line(LOG_LEVEL_WARNING, "a Stripe webhook has a bad signature",
	         LOG_S("request_id", task->request_id), LOG_S("reason", fault));
	return task_fail(task, FAIL_INVALID, "invalid_signature",
	                 "The signature is not Stripe's.");
}

/* Stripe sends an event again, for days, until it gets a success: so an unknown kind of event
 * is accepted too. */
enum fail
post_stripe_event(struct call *call)
{
	const struct request *request = call->request;
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 64);
	struct json_view body;
	struct stripe_event event;
	bool is_new;

	TRY(check_signature(call));
	if (!json_view_read_foreign(operation->task->arena, request->body, request->body_length,
	                            &body) ||
	    !event_read(&body, &event))
		return task_fail(operation->task, FAIL_INVALID, "invalid_event",
		                 "The body is not an event.");
	TRY(stripe_event_receive(operation, &event, request->body, "webhook", &is_new));
	if (!is_new)
		TRY(db_confirm(call->operation.db, call->operation.task));
	metrics_add(call->api->metrics,
	            !is_new                    ? METRIC_STRIPE_EVENTS_REPEATED
	            : event.ref.family == NULL ? METRIC_STRIPE_EVENTS_UNKNOWN
	                                       : METRIC_STRIPE_EVENTS_RECEIVED,
	            1);
	json_out_bool(&json, "received", true);
	return answer_end(call, 200, &json);
}

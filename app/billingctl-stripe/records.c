/* records.c: billingctl stripe events, show, calls, meters, retry and settle. */
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billingctl/output.h"
#include "meters/parked.h"
#include "outbox/call_records.h"
#include "outbox/calls.h"
#include "sync/events.h"
#include "json/view.h"

static const char call_start[] = "call:", meter_event_start[] = "mev_";

static const char *const event_states[] = {"pending", "done",      "ignored",
                                           "parked",  "dismissed", NULL};
static const char *const call_states[] = {"pending", "done", "failed", "parked", NULL};

static enum fail
check_state(struct ctl *ctl, const char *state, const char *const *states)
{
	struct text names = text_new(ctl->task.arena, 64);

	for (; *states != NULL; states++) {
		if (state == NULL || strcmp(state, *states) == 0)
			return FAIL_NONE;
		text_printf(&names, "%s%s", names.length == 0 ? "" : ", ", *states);
	}
	return ctl_usage(ctl, "--state must be one of: %s", names.data);
}

enum fail
run_stripe_events(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const char *state = ctl_option(ctl, "--state");
	const struct stripe_event_row *rows = NULL;
	int64_t limit = 50;
	size_t count = 0;

	TRY(check_state(ctl, state, event_states));
	TRY(ctl_limit(ctl, &limit));
	TRY(stripe_event_list(&ctl->operation, state, limit, &rows, &count));
	output_list(&output, "events");
	if (state != NULL)
		output_none(&output, arena_printf(ctl->task.arena, "No %s events.", state));
	for (size_t i = 0; i < count; i++) {
		output_row(&output);
		output_text(&output, "event", rows[i].event_id);
		output_text(&output, "type", rows[i].type);
		output_text(&output, "state", rows[i].state);
		output_text(&output, "customer_id", rows[i].customer_id);
		output_int(&output, "attempts", rows[i].attempts);
		output_time(&output, "received_at", rows[i].received_at);
		output_time(&output, "next_try_at", rows[i].next_try_at);
		output_text(&output, "error", rows[i].error);
	}
	return output_print(&output);
}

enum fail
run_stripe_show(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	struct stripe_event_row row = {0};
	const char *payload = NULL;

	TRY(stripe_event_find(&ctl->operation, ctl->argument, &row, &payload));
	output_text(&output, "event", row.event_id);
	output_text(&output, "type", row.type);
	output_text(&output, "state", row.state);
	output_text(&output, "error", row.error);
	output_int(&output, "attempts", row.attempts);
	output_text(&output, "origin", row.origin);
	output_text(&output, "about", row.family);
	output_text(&output, "subject", row.subject);
	output_text(&output, "stripe_customer_id", row.stripe_customer_id);
	output_text(&output, "customer_id",
	            row.customer_id == NULL ? row.customer_hint : row.customer_id);
	output_time(&output, "happened_at", row.happened_at);
	output_time(&output, "received_at", row.received_at);
	output_time(&output, "next_try_at", row.next_try_at);
	output_time(&output, "finished_at", row.finished_at);
	if (!output_document(&output, "payload", payload))
		output_tail(&output, "What Stripe sent isn't kept.");
	return output_print(&output);
}

enum fail
run_stripe_calls(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const struct stripe_call *calls = NULL;
	const char *state = ctl_option(ctl, "--state");
	int64_t limit = 50;
	size_t count = 0;

	TRY(check_state(ctl, state, call_states));
	TRY(ctl_limit(ctl, &limit));
	state = state == NULL ? "parked" : state;
	TRY(stripe_call_list(&ctl->operation, state, limit, &calls, &count));
	output_list(&output, "calls");
	output_none(&output, arena_printf(ctl->task.arena, "No %s calls.", state));
	for (size_t i = 0; i < count; i++) {
		output_row(&output);
		output_text(&output, "call",
		            arena_printf(ctl->task.arena, "%s%lld", call_start,
		                         (long long)calls[i].call_id));
		output_text(&output, "kind", calls[i].kind);
		output_text(&output, "customer_id", calls[i].customer_id);
		output_text(&output, "subject", calls[i].subject);
		output_int(&output, "attempts", calls[i].attempts);
		output_time(&output, "created_at", calls[i].created_at);
		output_text(&output, "error", calls[i].error);
		output_text(&output, "param", calls[i].error_param);
		output_text(&output, "message", calls[i].error_message);
	}
	return output_print(&output);
}

enum fail
run_stripe_meters(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const struct meter_parked *rows = NULL;
	int64_t limit = 50;
	size_t count = 0;

	TRY(ctl_limit(ctl, &limit));
	TRY(meter_parked_list(&ctl->operation, limit, &rows, &count));
	output_list(&output, "meter_events");
	output_none(&output, "No parked meter events.");
	for (size_t i = 0; i < count; i++) {
		output_row(&output);
		output_text(&output, "meter_event", rows[i].meter_event_id);
		output_text(&output, "customer_id", rows[i].customer_id);
		output_text(&output, "day", rows[i].day);
		output_text(&output, "metric", rows[i].metric);
		output_text(&output, "meter", rows[i].event_name);
		output_text(&output, "value", rows[i].value);
		output_text(&output, "error", rows[i].error);
	}
	return output_print(&output);
}

enum fail
run_stripe_settle(struct ctl *ctl)
{
	struct output output = output_new(ctl);

	TRY(meter_parked_settle(&ctl->operation, ctl->argument));
	output_text(&output, "meter_event", ctl->argument);
	output_text(&output, "state", "settled");
	return output_print(&output);
}

static enum fail
read_call_id(struct ctl *ctl, int64_t *call_id)
{
	if (!text_parse_int(ctl->argument + strlen(call_start), call_id) || *call_id < 1)
		return ctl_usage(ctl, "a call is named call:N, as 'stripe calls' lists it");
	return FAIL_NONE;
}

enum fail
run_stripe_dismiss(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const char *why;
	int64_t call_id;

	TRY(ctl_why(ctl, &why));
	if (text_starts_with(ctl->argument, call_start)) {
		TRY(read_call_id(ctl, &call_id));
		TRY(stripe_call_dismiss(&ctl->operation, call_id, why));
	} else {
		TRY(stripe_event_dismiss(&ctl->operation, ctl->argument, why));
	}
	output_text(&output, "id", ctl->argument);
	output_text(&output, "state", "dismissed");
	return output_print(&output);
}

static enum fail
retry_call(struct ctl *ctl, int64_t *count)
{
	int64_t call_id;

	TRY(read_call_id(ctl, &call_id));
	TRY(stripe_call_retry(&ctl->operation, call_id, count));
	if (*count == 0)
		return task_fail(&ctl->task, FAIL_NOT_FOUND, "call_not_found",
		                 "There is no parked call %lld (see: billingctl stripe calls).",
		                 (long long)call_id);
	return FAIL_NONE;
}

static enum fail
retry_event(struct ctl *ctl, int64_t *count)
{
	struct stripe_event_row row = {0};
	const char *payload = NULL;

	TRY(stripe_event_find(&ctl->operation, ctl->argument, &row, &payload));
	TRY(stripe_event_retry(&ctl->operation, ctl->argument, count));
	if (*count == 0)
		return task_fail(&ctl->task, FAIL_CONFLICT, "nothing_to_retry", "%s",
		                 row.family == NULL
		                         ? "This event concerns nothing that is stored here."
		                         : "This event is waiting to be tried already.");
	return FAIL_NONE;
}

static enum fail
retry_meter_event(struct ctl *ctl, int64_t *count)
{
	TRY(meter_parked_retry(&ctl->operation, ctl->argument, count));
	if (*count == 0)
		return task_fail(&ctl->task, FAIL_NOT_FOUND, "meter_event_not_found",
		                 "There is no parked meter event %s that could be sent again "
		                 "(see: billingctl stripe meters).",
		                 ctl->argument);
	return FAIL_NONE;
}

/* How many of each will be tried again. */
struct retried {
	int64_t events;
	int64_t calls;
	int64_t meter_events;
};

static enum fail
retry_one(struct ctl *ctl, struct retried *out)
{
	if (text_starts_with(ctl->argument, call_start))
		return retry_call(ctl, &out->calls);
	if (text_starts_with(ctl->argument, meter_event_start))
		return retry_meter_event(ctl, &out->meter_events);
	return retry_event(ctl, &out->events);
}

static enum fail
retry_all(struct ctl *ctl, struct retried *out)
{
	TRY(stripe_event_retry(&ctl->operation, NULL, &out->events));
	TRY(stripe_call_retry(&ctl->operation, 0, &out->calls));
	return meter_parked_retry(&ctl->operation, NULL, &out->meter_events);
}

enum fail
run_stripe_retry(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	bool all = ctl_option(ctl, "--all") != NULL;
	struct retried retried = {0};

	if (all == (ctl->argument != NULL))
		return ctl_usage(ctl, "name an event, a call, a meter event, or --all");
	TRY(all ? retry_all(ctl, &retried) : retry_one(ctl, &retried));
	output_int(&output, "events", retried.events);
	output_int(&output, "calls", retried.calls);
	output_int(&output, "meter_events", retried.meter_events);
	return output_print(&output);
}

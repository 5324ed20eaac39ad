/* stripe_jobs.c: the jobs that send requests to Stripe. They run in a process of their own, so
 * that nothing else waits when Stripe is slow. */
#include "base/text.h"
#include "billingd/jobs.h"
#include "meters/meters.h"
#include "outbox/account.h"
#include "outbox/call_records.h"
#include "outbox/fetch.h"
#include "sales/changes.h"
#include "sales/resolve.h"
#include "subscriptions/second_subscriptions.h"
#include "subscriptions/subscriptions.h"
#include "subscriptions/unknown_prices.h"
#include "sync/events.h"
#include "sync/inbox.h"
#include "sync/sweep.h"

static const struct job items[] = {
        {"stripe_calls", 0, stripe_resolve_run, METRIC_COUNT, 1},
        {"stripe_events", 0, stripe_inbox_run, METRIC_STRIPE_EVENTS_DONE, 1},
        {"plan_meter_events", 0, meter_run_enqueue, METRIC_COUNT, 1},
        {"send_meter_events", 0, meter_send_run, METRIC_METER_EVENTS_SENT, 1},
        {"compare_meters", 0, meter_run_compare, METRIC_COUNT, 1},
        {"scheduled_plans", 60, change_run_scheduled, METRIC_COUNT, 1},
        {"compare_events", 5, stripe_sweep_run_events, METRIC_COUNT, 1},
        {"compare_subscriptions", 5, stripe_sweep_run_subscriptions, METRIC_COUNT, 1},
};

enum { ACCOUNT_AGAIN_S = 3600, OTHER_ACCOUNT_AGAIN_S = 10, NO_ANSWER_AGAIN_S = 60 };

/* With a key of another account the jobs wait: they would find none of the objects that the
 * database describes, and send requests about them in vain. Without an answer they run, as
 * nothing is concluded from a missing object then. */
static bool
is_our_account(struct operation *operation, struct metrics *metrics, int64_t *again_s)
{
	enum fail kind = stripe_account_record(operation);
	bool other = kind == FAIL_STRIPE &&
	             text_equal(operation->task->failure.code, STRIPE_OTHER_ACCOUNT);

	*again_s = other               ? OTHER_ACCOUNT_AGAIN_S
	           : kind != FAIL_NONE ? NO_ANSWER_AGAIN_S
	                               : ACCOUNT_AGAIN_S;
	metrics_set(metrics, METRIC_STRIPE_OTHER_ACCOUNT, other ? 1 : 0);
	return !other;
}

static enum fail
set_time(struct operation *operation, struct metrics *metrics, const char *name,
         enum metric metric)
{
	struct instant last;

	TRY(stripe_sweep_last(operation, name, &last));
	metrics_set(metrics, metric, last.known ? last.ms / SECOND_MS : 0);
	return FAIL_NONE;
}

static enum fail
measure(struct operation *operation, struct metrics *metrics)
{
	struct stripe_event_figures events;
	struct stripe_call_figures calls;
	struct meter_figures meters;
	int64_t duplicates, unknown;

	TRY(stripe_event_figures(operation, &events));
	TRY(stripe_call_figures(operation, &calls));
	TRY(second_subscriptions_count(operation, &duplicates));
	TRY(unknown_prices_count(operation, &unknown));
	metrics_set(metrics, METRIC_STRIPE_UNKNOWN_PRICES, unknown);
	TRY(meter_figures(operation, &meters));
	metrics_set(metrics, METRIC_STRIPE_EVENTS_PENDING, events.pending);
	metrics_set(metrics, METRIC_STRIPE_EVENTS_PARKED, events.parked);
	jobs_set_age(operation, metrics, METRIC_STRIPE_EVENTS_WAITING, events.oldest_pending);
	metrics_set(metrics, METRIC_STRIPE_CALLS_PENDING, calls.pending);
	metrics_set(metrics, METRIC_STRIPE_CALLS_PARKED, calls.parked);
	metrics_set(metrics, METRIC_METER_EVENTS_PENDING, meters.pending);
	metrics_set(metrics, METRIC_METER_EVENTS_PARKED, meters.parked);
	metrics_set(metrics, METRIC_STRIPE_SECOND_SUBSCRIPTIONS, duplicates);
	TRY(set_time(operation, metrics, "events", METRIC_STRIPE_EVENTS_SWEPT));
	return set_time(operation, metrics, "subscriptions", METRIC_STRIPE_SUBSCRIPTIONS_SWEPT);
}

const struct job_list stripe_jobs = {
        items,
        sizeof(items) / sizeof(*items),
        "system:stripe",
        METRIC_STRIPE_JOBS_LAST_RUN,
        .channel = "stripe_jobs",
        .may_run = is_our_account,
        .round_ms = 5000,
        .measure = measure,
};

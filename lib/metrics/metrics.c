/* metrics.c: counters in one anonymous shared mapping, made before the workers are forked. */
#include "metrics/metrics.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/text.h"

enum { CLASSES = 6, BUCKETS = 10 };

/* Upper bounds in microseconds; the last bucket has none. */
static const int64_t bounds_us[BUCKETS - 1] = {500,   1000,   2500,    5000,   10000,
                                               50000, 250000, 1000000, 5000000};
static const char *const bound_labels[BUCKETS] = {"0.0005", "0.001", "0.0025", "0.005", "0.01",
                                                  "0.05",   "0.25",  "1",      "5",     "+Inf"};

struct route_counters {
	atomic_int_least64_t by_class[CLASSES];
};

struct metrics {
	size_t routes;
	atomic_int_least64_t values[METRIC_COUNT];
	atomic_int_least64_t buckets[BUCKETS];
	atomic_int_least64_t took_us;
	atomic_int_least64_t database_us;
	struct route_counters by_route[];
};

#define ATTEMPTS                                                                               \
	"billing_webhook_attempts_total", "counter",                                           \
	        "Attempts at deliveries: delivered, answered by another status, without a "    \
	        "whole answer, at a closed address."

static const struct {
	const char *name;
	const char *type;
	const char *help;
} names[METRIC_COUNT] = {
        [METRIC_WORKERS] = {"billing_workers", "gauge",
                            "Processes alive, the jobs process included."},
        [METRIC_WORKER_STARTS] = {"billing_worker_starts_total", "counter",
                                  "Processes started."},
        [METRIC_WORKER_DEATHS] = {"billing_worker_deaths_total", "counter",
                                  "Processes that ended by a signal or an error."},
        [METRIC_RELOADS] = {"billing_reloads_total", "counter", "Reloads that took effect."},
        [METRIC_TRIALS_EXPIRED] = {"billing_trials_expired_total", "counter", "Trials ended."},
        [METRIC_LICENSES_SIGNED] = {"billing_licenses_signed_total", "counter",
                                    "Licences signed."},
        [METRIC_LICENSES_KEPT] = {"billing_licenses_kept_total", "counter",
                                  "Stored licences given again."},
        [METRIC_SIGNING_KEY_MISSING] =
                {"billing_signing_key_missing", "gauge",
                 "1 when KEYS_DIR lacks the private half of the current key."},
        [METRIC_SIGNING_KEYS_UNKNOWN] =
                {"billing_signing_keys_unknown", "gauge",
                 "Keys that this host serves and the database does not publish."},
        [METRIC_STANDBY_AWAY] =
                {"billing_standby_away", "gauge",
                 "1 when no synchronous standby confirms, and changes are refused."},
        [METRIC_HOSTS_OTHER_PLANS] =
                {"billing_hosts_with_other_plans", "gauge",
                 "Other hosts that have loaded other plans than this one."},
        [METRIC_REVOCATIONS_NUMBER] = {"billing_revocations_number", "gauge",
                                       "Number of the revocation list that is served."},
        [METRIC_REVOCATIONS_ENTRIES] = {"billing_revocations_entries", "gauge",
                                        "Licences and customers on the revocation list."},
        [METRIC_REVOCATIONS_BYTES] = {"billing_revocations_bytes", "gauge",
                                      "Size of the revocation list."},
        [METRIC_REVOCATIONS_NEXT_UPDATE] = {"billing_revocations_next_update_seconds", "gauge",
                                            "When the revocation list is out of date."},
        [METRIC_REVOCATIONS_WAITING] =
                {"billing_revocations_waiting_seconds", "gauge",
                 "How long the oldest revocation has not been on the list."},
        [METRIC_REVOCATIONS_BEHIND] =
                {"billing_revocations_behind", "gauge",
                 "1 when the database was restored and that is not resolved."},
        [METRIC_USAGE_REPORTS] = {"billing_usage_reports_total", "counter",
                                  "Usage reports stored."},
        [METRIC_USAGE_DUPLICATES] = {"billing_usage_duplicates_total", "counter",
                                     "Usage reports that were stored before."},
        [METRIC_USAGE_FOLDED] = {"billing_usage_folded_total", "counter",
                                 "Usage reports added to the sums."},
        [METRIC_USAGE_PENDING] = {"billing_usage_pending", "gauge",
                                  "Usage reports that are not yet in the sums."},
        [METRIC_USAGE_PENDING_SECONDS] = {"billing_usage_pending_seconds", "gauge",
                                          "How long the oldest usage report has waited to be "
                                          "added to the sums."},
        [METRIC_AUDIT_WAITING_SECONDS] = {"billing_audit_waiting_seconds", "gauge",
                                          "How long the oldest entry of the audit trail has "
                                          "waited to be chained."},
        [METRIC_EVENTS_WAITING_SECONDS] = {"billing_events_waiting_seconds", "gauge",
                                           "How long the oldest event has waited for an open "
                                           "transaction, which keeps it from its readers."},
        [METRIC_REMINDERS_SECONDS] = {"billing_reminders_overdue_seconds", "gauge",
                                      "How long the oldest end or limit that is due has waited "
                                      "to be looked at for events."},
        [METRIC_REVENUE_SECONDS] = {"billing_revenue_overdue_seconds", "gauge",
                                    "How long the oldest change of MRR by its date has waited "
                                    "to be booked."},
        [METRIC_METER_EVENTS_SENT] = {"billing_meter_events_total", "counter",
                                      "Meter events sent to Stripe."},
        [METRIC_METER_EVENTS_PENDING] = {"billing_meter_events_pending", "gauge",
                                         "Meter events that wait to be sent."},
        [METRIC_METER_EVENTS_PARKED] = {"billing_meter_events_parked", "gauge",
                                        "Meter events that are parked."},
        [METRIC_JOB_FAILURES] = {"billing_job_failures_total", "counter",
                                 "Job runs that failed."},
        [METRIC_REFUSALS_UNRECORDED] =
                {"billing_refusals_unrecorded_total", "counter",
                 "Refused uses of operators' keys beyond those that are recorded each day."},
        [METRIC_DATABASE_UP] = {"billing_database_up", "gauge",
                                "1 when the database answered the last round of the local "
                                "jobs, or their start."},
        [METRIC_JOBS_LAST_RUN] = {"billing_jobs_last_run_seconds", "gauge",
                                  "When the process of the local jobs last finished a "
                                  "round in which the database answered."},
        [METRIC_STRIPE_EVENTS_RECEIVED] = {"billing_stripe_events_received_total", "counter",
                                           "Events of Stripe's stored, to be processed."},
        [METRIC_STRIPE_EVENTS_REPEATED] = {"billing_stripe_events_repeated_total", "counter",
                                           "Stripe's events that arrived more than once."},
        [METRIC_STRIPE_EVENTS_UNKNOWN] = {"billing_stripe_events_unknown_total", "counter",
                                          "Stripe's events of types that are not handled."},
        [METRIC_STRIPE_EVENTS_REFUSED] = {"billing_stripe_events_refused_total", "counter",
                                          "Requests to the webhook whose signature was wrong."},
        [METRIC_STRIPE_EVENTS_DONE] = {"billing_stripe_events_done_total", "counter",
                                       "Stripe's events processed, with whatever outcome."},
        [METRIC_STRIPE_EVENTS_PENDING] = {"billing_stripe_events_pending", "gauge",
                                          "Stripe's events that wait to be processed."},
        [METRIC_STRIPE_EVENTS_PARKED] = {"billing_stripe_events_parked", "gauge",
                                         "Stripe's events that are parked."},
        [METRIC_STRIPE_EVENTS_WAITING] = {"billing_stripe_events_waiting_seconds", "gauge",
                                          "How long the oldest pending event of Stripe's has "
                                          "waited."},
        [METRIC_STRIPE_CALLS_PENDING] = {"billing_stripe_calls_pending", "gauge",
                                         "Calls of Stripe whose outcome is not known yet."},
        [METRIC_STRIPE_CALLS_PARKED] = {"billing_stripe_calls_parked", "gauge",
                                        "Calls of Stripe given up."},
        [METRIC_STRIPE_SECOND_SUBSCRIPTIONS] =
                {"billing_stripe_second_subscriptions", "gauge",
                 "Customers with more than one live subscription."},
        [METRIC_STRIPE_UNKNOWN_PRICES] =
                {"billing_stripe_unknown_prices", "gauge",
                 "Subscriptions of customers at a price that no plan has."},
        [METRIC_STRIPE_OTHER_ACCOUNT] =
                {"billing_stripe_other_account", "gauge",
                 "1 while the key of Stripe is of another account than the data."},
        [METRIC_STRIPE_EVENTS_SWEPT] = {"billing_stripe_events_swept_seconds", "gauge",
                                        "When Stripe's list of events was last compared."},
        [METRIC_STRIPE_SUBSCRIPTIONS_SWEPT] =
                {"billing_stripe_subscriptions_swept_seconds", "gauge",
                 "When Stripe's list of subscriptions was last compared."},
        [METRIC_STRIPE_JOBS_LAST_RUN] =
                {"billing_stripe_jobs_last_run_seconds", "gauge",
                 "When the process of Stripe's jobs last finished a round in which the "
                 "database answered."},
        [METRIC_WEBHOOK_ENDPOINTS] = {"billing_webhook_endpoints", "gauge",
                                      "Webhook endpoints that events are sent to."},
        [METRIC_WEBHOOK_ENDPOINTS_FAILING] =
                {"billing_webhook_endpoints_failing", "gauge",
                 "Webhook endpoints whose attempts have all failed for ten minutes."},
        [METRIC_WEBHOOK_ENDPOINTS_DISABLED] =
                {"billing_webhook_endpoints_disabled", "gauge",
                 "Webhook endpoints that were disabled, as they failed or were gone."},
        [METRIC_WEBHOOKS_PENDING] = {"billing_webhooks_pending", "gauge",
                                     "Deliveries that wait, 1000 for an endpoint at most."},
        [METRIC_WEBHOOKS_WAITING] = {"billing_webhooks_waiting_seconds", "gauge",
                                     "Age of the oldest event that a webhook endpoint lacks."},
        [METRIC_WEBHOOK_KEY_MISSING] = {"billing_webhook_key_missing", "gauge",
                                        "1 when KEYS_DIR lacks the current key of webhooks."},
        [METRIC_WEBHOOKS_LAST_RUN] =
                {"billing_webhooks_last_run_seconds", "gauge",
                 "When the process that sends webhooks last finished a round in which the "
                 "database answered."},
        [METRIC_WEBHOOKS_DELIVERED] = {ATTEMPTS},
        [METRIC_WEBHOOKS_ANSWERED] = {ATTEMPTS},
        [METRIC_WEBHOOKS_UNANSWERED] = {ATTEMPTS},
        [METRIC_WEBHOOKS_CLOSED] = {ATTEMPTS},
        [METRIC_WEBHOOKS_FAILED] =
                {"billing_webhooks_failed_total", "counter",
                 "Deliveries given up, after all attempts or as the endpoint "
                 "was gone."},
        [METRIC_NOTICES_SENT] = {"billing_notices_sent_total", "counter",
                                 "Notices that the mail server accepted."},
        [METRIC_NOTICES_REFUSED] = {"billing_notices_refused_total", "counter",
                                    "Notices that the mail server refused for good."},
        [METRIC_NOTICES_FAILED] = {"billing_notices_failed_total", "counter",
                                   "Notices given up after all attempts."},
        [METRIC_NOTICES_REPEATED] = {"billing_notices_repeated_total", "counter",
                                     "Attempts at notices that failed and are repeated."},
        [METRIC_NOTICES_PENDING] = {"billing_notices_pending", "gauge",
                                    "Notices that wait to be sent."},
        [METRIC_NOTICES_WAITING] = {"billing_notices_waiting_seconds", "gauge",
                                    "How long the oldest pending notice has waited."},
        [METRIC_MAIL_SERVER_AWAY] = {"billing_mail_server_away", "gauge",
                                     "1 when the last attempt did not reach the mail server."},
        [METRIC_MAIL_JOBS_LAST_RUN] = {"billing_mail_jobs_last_run_seconds", "gauge",
                                       "When the process that sends notices last finished a "
                                       "round in which the database answered."},
};

/* Labels of metrics that have some. Metrics of one name stand together. */
static const char *const value_labels[METRIC_COUNT] = {
        [METRIC_WEBHOOKS_DELIVERED] = "outcome=\"delivered\"",
        [METRIC_WEBHOOKS_ANSWERED] = "outcome=\"answered\"",
        [METRIC_WEBHOOKS_UNANSWERED] = "outcome=\"unanswered\"",
        [METRIC_WEBHOOKS_CLOSED] = "outcome=\"closed\"",
};

struct metrics *
metrics_new(size_t routes)
{
	size_t size = sizeof(struct metrics) + (routes + 1) * sizeof(struct route_counters);
	struct metrics *metrics =
	        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (metrics == MAP_FAILED)
		return NULL;
	metrics->routes = routes;
	return metrics;
}

void
metrics_add(struct metrics *metrics, enum metric metric, int64_t amount)
{
	atomic_fetch_add_explicit(&metrics->values[metric], amount, memory_order_relaxed);
}

void
metrics_set(struct metrics *metrics, enum metric metric, int64_t value)
{
	atomic_store_explicit(&metrics->values[metric], value, memory_order_relaxed);
}

int64_t
metrics_value(const struct metrics *metrics, enum metric metric)
{
	return atomic_load_explicit(&metrics->values[metric], memory_order_relaxed);
}

void
metrics_request(struct metrics *metrics, size_t route, int status, int64_t took_us,
                int64_t database_us)
{
	size_t class = status >= 100 && status < 600 ? (size_t)status / 100 : 0;
	size_t bucket = 0;

	while (bucket < BUCKETS - 1 && took_us > bounds_us[bucket])
		bucket++;
	atomic_fetch_add_explicit(&metrics->by_route[route].by_class[class], 1,
	                          memory_order_relaxed);
	atomic_fetch_add_explicit(&metrics->buckets[bucket], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&metrics->took_us, took_us, memory_order_relaxed);
	atomic_fetch_add_explicit(&metrics->database_us, database_us, memory_order_relaxed);
}

static void
render_requests(const struct metrics *metrics, struct text *text, route_labels *labels)
{
	text_add(text, "# HELP billing_requests_total Requests answered.\n"
	               "# TYPE billing_requests_total counter\n");
	for (size_t route = 0; route <= metrics->routes; route++) {
		for (size_t class = 0; class < CLASSES; class ++) {
			int64_t count = atomic_load(&metrics->by_route[route].by_class[class]);

			if (count > 0)
				text_printf(
				        text,
				        "billing_requests_total{%s,status=\"%zuxx\"} %lld\n",
				        labels(text->arena, route), class, (long long)count);
		}
	}
}

static void
render_durations(const struct metrics *metrics, struct text *text)
{
	int64_t total = 0;

	text_add(text, "# HELP billing_request_seconds Time to answer, database included.\n"
	               "# TYPE billing_request_seconds histogram\n");
	for (size_t i = 0; i < BUCKETS; i++) {
		total += atomic_load(&metrics->buckets[i]);
		text_printf(text, "billing_request_seconds_bucket{le=\"%s\"} %lld\n",
		            bound_labels[i], (long long)total);
	}
	text_printf(
	        text,
	        "billing_request_seconds_sum %.6f\nbilling_request_seconds_count %lld\n"
	        "# HELP billing_database_seconds_total Time spent waiting for the database.\n"
	        "# TYPE billing_database_seconds_total counter\n"
	        "billing_database_seconds_total %.6f\n",
	        (double)atomic_load(&metrics->took_us) / 1e6, (long long)total,
	        (double)atomic_load(&metrics->database_us) / 1e6);
}

static void
render_value(const struct metrics *metrics, struct text *text, size_t i)
{
	long long value = (long long)atomic_load(&metrics->values[i]);

	if (i == 0 || strcmp(names[i].name, names[i - 1].name) != 0)
		text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", names[i].name, names[i].help,
		            names[i].name, names[i].type);
	if (value_labels[i] == NULL)
		text_printf(text, "%s %lld\n", names[i].name, value);
	else
		text_printf(text, "%s{%s} %lld\n", names[i].name, value_labels[i], value);
}

void
metrics_render(const struct metrics *metrics, struct text *text, route_labels *labels)
{
	for (size_t i = 0; i < METRIC_COUNT; i++)
		render_value(metrics, text, i);
	render_requests(metrics, text, labels);
	render_durations(metrics, text);
}

/* webhook_jobs.c: the jobs that send events to webhook endpoints. They run in a process of their own, so that
 * nothing else waits for receivers. */
#include "billingd/jobs.h"
#include "webhooks/queue.h"
#include "webhooks/sender.h"

static const struct job items[] = {
        {"send_webhooks", 0, webhook_send_run, METRIC_COUNT, 1},
};

static void
add_counts(struct webhook_sender *sender, struct metrics *metrics)
{
	struct webhook_counts counts = webhook_sender_take_counts(sender);

	metrics_add(metrics, METRIC_WEBHOOKS_DELIVERED, counts.attempts[WEBHOOK_DELIVERED]);
	metrics_add(metrics, METRIC_WEBHOOKS_ANSWERED, counts.attempts[WEBHOOK_ANSWERED]);
	metrics_add(metrics, METRIC_WEBHOOKS_UNANSWERED, counts.attempts[WEBHOOK_UNANSWERED]);
	metrics_add(metrics, METRIC_WEBHOOKS_CLOSED, counts.attempts[WEBHOOK_CLOSED]);
	metrics_add(metrics, METRIC_WEBHOOKS_FAILED, counts.failed);
}

static enum fail
measure(struct operation *operation, struct metrics *metrics)
{
	static const int64_t every_ms = 5000;
	int64_t last_ms = metrics_value(metrics, METRIC_WEBHOOKS_LAST_RUN) * SECOND_MS;
	struct webhook_figures figures;
	struct instant since;

	add_counts(operation->webhooks, metrics);
	/* A round takes less than a second; the time of the last one is set behind this. */
	if (operation->now_ms / every_ms == last_ms / every_ms)
		return FAIL_NONE;
	TRY(webhook_figures(operation, &figures));
	since = figures.waiting_since;
	metrics_set(metrics, METRIC_WEBHOOK_ENDPOINTS, figures.enabled);
	metrics_set(metrics, METRIC_WEBHOOK_ENDPOINTS_FAILING, figures.failing);
	metrics_set(metrics, METRIC_WEBHOOK_ENDPOINTS_DISABLED, figures.disabled);
	metrics_set(metrics, METRIC_WEBHOOKS_PENDING, figures.pending);
	jobs_set_age(operation, metrics, METRIC_WEBHOOKS_WAITING, since);
	metrics_set(metrics, METRIC_WEBHOOK_KEY_MISSING,
	            figures.enabled > 0 && !webhook_sender_has_key(operation->webhooks));
	return FAIL_NONE;
}

const struct job_list webhook_jobs = {
        items,
        sizeof(items) / sizeof(*items),
        "system:webhooks",
        METRIC_WEBHOOKS_LAST_RUN,
        .quiet = true,
        .round_ms = 300,
        .measure = measure,
};

/* local_jobs.c: the jobs that need PostgreSQL alone, and the figures that their process exports. */
#include "accounts/erasure.h"
#include "analytics/revenue.h"
#include "analytics/usage.h"
#include "audit/heads.h"
#include "billing/audit.h"
#include "billing/customer_keys.h"
#include "billing/host_plans.h"
#include "billing/subscriptions.h"
#include "billing/trial_reminders.h"
#include "billingd/jobs.h"
#include "callers/idempotency.h"
#include "callers/sessions.h"
#include "contracts/contract_events.h"
#include "contracts/contracts.h"
#include "counting/fold.h"
#include "events/horizon.h"
#include "events/reminders.h"
#include "events/retention.h"
#include "instances/retention.h"
#include "issuing/key_revocation.h"
#include "issuing/license_records.h"
#include "issuing/license_reminders.h"
#include "issuing/license_rights.h"
#include "issuing/revocation_list.h"
#include "issuing/revocation_restore.h"
#include "issuing/signing_keys.h"
#include "limits/watch.h"
#include "outbox/call_records.h"
#include "sync/events.h"
#include "usage/retention.h"
#include "webhooks/queue.h"

static const struct job items[] = {
        {"fold_usage", 0, usage_fold_run, METRIC_USAGE_FOLDED, USAGE_FOLD_ROWS_MAX},
        {"chain_audit", 0, audit_chain_run, METRIC_COUNT, 1},
        {"sign_audit_head", 300, audit_heads_run, METRIC_COUNT, 1},
        {"revoke_distrusted", 0, signing_key_revoke_distrusted, METRIC_COUNT, 1},
        {"sign_revocations", 0, revocation_list_run, METRIC_COUNT, 1},
        {"fill_customer_keys", 5, customer_keys_fill, METRIC_COUNT, 1},
        {"end_contracts", 5, contract_expire_run, METRIC_COUNT, 1},
        {"watch_clock", 60, reminders_watch_clock, METRIC_COUNT, 1},
        {"tell_trial_ends", 1, trial_reminders_run, METRIC_COUNT, 1},
        {"tell_contract_ends", 1, contract_reminders_run, METRIC_COUNT, 1},
        {"tell_license_ends", 1, license_reminders_run, METRIC_COUNT, 1},
        {"tell_usage", 1, usage_watch_run, METRIC_COUNT, 1},
        {"erase_events", 1, account_erase_run, METRIC_COUNT, 1},
        {"prune_event_keys", 300, event_keys_prune, METRIC_COUNT, 1},
        {"settle_revenue", 5, revenue_run, METRIC_COUNT, 1},
        {"count_use_of_all", 3, analytics_usage_run, METRIC_COUNT, 1},
        {"expire_trials", 5, subscription_expire_trials, METRIC_TRIALS_EXPIRED, 1},
        {"prune_stripe_events", 300, stripe_event_prune, METRIC_COUNT, 1},
        {"prune_stripe_calls", 300, stripe_call_prune, METRIC_COUNT, 1},
        {"prune_audit_counts", 3600, audit_prune_counts, METRIC_COUNT, 1},
        {"prune_idempotency_keys", 60, idempotency_prune, METRIC_COUNT, 1},
        {"prune_sessions", 60, session_prune, METRIC_COUNT, 1},
        {"prune_webhooks", 60, webhook_prune, METRIC_COUNT, 1},
        {"publish_revocations", 0, revocation_publish_run, METRIC_COUNT, 1},
        {"revoke_unpaid_licenses", 60, license_revoke_unpaid, METRIC_COUNT, 1},
        {"forget_license_tokens", 300, license_forget_tokens, METRIC_COUNT, 1},
        {"keep_event_clock", 10, event_keep_clock, METRIC_COUNT, 1},
        {"make_event_months", 3600, event_make_months, METRIC_COUNT, 1},
        {"drop_event_months", 3600, event_drop_months, METRIC_COUNT, 1},
        {"make_usage_months", 3600, usage_make_months, METRIC_COUNT, 1},
        {"count_usage_days", 60, usage_backfill_run, METRIC_COUNT, 1},
        {"drop_usage_months", 3600, usage_drop_months, METRIC_COUNT, 1},
        {"prune_usage_ids", 60, usage_prune_ids, METRIC_COUNT, 1},
        {"prune_instances", 60, instance_prune, METRIC_COUNT, 1},
};

static enum fail
measure_keys(struct operation *operation, struct metrics *metrics)
{
	struct signing_key_figures figures;

	TRY(signing_key_figures(operation, &figures));
	metrics_set(metrics, METRIC_SIGNING_KEY_MISSING, figures.missing);
	metrics_set(metrics, METRIC_SIGNING_KEYS_UNKNOWN, figures.unknown);
	return FAIL_NONE;
}

/* Asks the standby also while nothing is changed, so that its absence shows before a customer meets
 * it. */
static void
measure_standby(struct operation *operation, struct metrics *metrics)
{
	bool confirmed = db_confirm(operation->db, operation->task) == FAIL_NONE;

	task_clear(operation->task);
	metrics_set(metrics, METRIC_STANDBY_AWAY,
	            !confirmed && db_standby_is_away(operation->db));
}

static enum fail
measure_plans(struct operation *operation, struct metrics *metrics)
{
	struct host_plans hosts;

	TRY(host_plans_compare(operation, &operation->billing->plans, &hosts));
	metrics_set(metrics, METRIC_HOSTS_OTHER_PLANS, hosts.differ);
	return FAIL_NONE;
}

static enum fail
measure_usage(struct operation *operation, struct metrics *metrics)
{
	struct usage_figures usage;
	struct instant since;

	TRY(usage_figures(operation, &usage));
	since = usage.pending_since;
	metrics_set(metrics, METRIC_USAGE_PENDING, usage.pending);
	jobs_set_age(operation, metrics, METRIC_USAGE_PENDING_SECONDS, since);
	return FAIL_NONE;
}

static enum fail
measure_audit(struct operation *operation, struct metrics *metrics)
{
	struct audit_chain_figures audit;
	struct instant since;

	TRY(audit_chain_figures(operation, &audit));
	since = audit.waiting_since;
	jobs_set_age(operation, metrics, METRIC_AUDIT_WAITING_SECONDS, since);
	return FAIL_NONE;
}

static enum fail
measure_events(struct operation *operation, struct metrics *metrics)
{
	struct event_horizon horizon;
	struct instant since;

	TRY(event_horizon_read(operation, &horizon));
	since = horizon.waiting_since;
	jobs_set_age(operation, metrics, METRIC_EVENTS_WAITING_SECONDS, since);
	return FAIL_NONE;
}

static enum fail
measure_reminders(struct operation *operation, struct metrics *metrics)
{
	struct reminder_figures figures;
	struct instant since;

	TRY(reminder_figures(operation, &figures));
	since = figures.overdue_since;
	jobs_set_age(operation, metrics, METRIC_REMINDERS_SECONDS, since);
	return FAIL_NONE;
}

static enum fail
measure_revenue(struct operation *operation, struct metrics *metrics)
{
	struct revenue_figures figures;

	TRY(revenue_figures(operation, &figures));
	jobs_set_age(operation, metrics, METRIC_REVENUE_SECONDS, figures.overdue_since);
	return FAIL_NONE;
}

static enum fail
measure(struct operation *operation, struct metrics *metrics)
{
	struct revocation_list_figures figures;
	struct instant since, next;

	measure_standby(operation, metrics);
	TRY(measure_keys(operation, metrics));
	TRY(measure_plans(operation, metrics));
	TRY(measure_usage(operation, metrics));
	TRY(measure_audit(operation, metrics));
	TRY(measure_events(operation, metrics));
	TRY(measure_reminders(operation, metrics));
	TRY(measure_revenue(operation, metrics));

	TRY(revocation_list_figures(operation, &figures));
	since = figures.unlisted_since;
	next = figures.next_update_at;
	metrics_set(metrics, METRIC_REVOCATIONS_NUMBER, figures.number);
	metrics_set(metrics, METRIC_REVOCATIONS_ENTRIES, figures.entries);
	metrics_set(metrics, METRIC_REVOCATIONS_BYTES, figures.bytes);
	metrics_set(metrics, METRIC_REVOCATIONS_NEXT_UPDATE,
	            next.known ? next.ms / SECOND_MS : 0);
	jobs_set_age(operation, metrics, METRIC_REVOCATIONS_WAITING, since);
	metrics_set(metrics, METRIC_REVOCATIONS_BEHIND, figures.behind_since.known ? 1 : 0);
	return FAIL_NONE;
}

const struct job_list local_jobs = {
        items,
        sizeof(items) / sizeof(*items),
        "system:jobs",
        METRIC_JOBS_LAST_RUN,
        .channel = "billing_jobs",
        .round_ms = 1000,
        .measure = measure,
};

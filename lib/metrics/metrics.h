/* metrics.h: counters that all processes share, as Prometheus text. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct arena;
struct text;
struct metrics;

/* Counters that are not about requests. The names stand in metrics.c. */
enum metric {
	METRIC_WORKERS, /* gauge */
	METRIC_WORKER_STARTS,
	METRIC_WORKER_DEATHS,
	METRIC_RELOADS,
	METRIC_TRIALS_EXPIRED,
	METRIC_LICENSES_SIGNED,
	METRIC_LICENSES_KEPT,
	METRIC_SIGNING_KEY_MISSING,     /* gauge: 0 or 1 */
	METRIC_SIGNING_KEYS_UNKNOWN,    /* gauge */
	METRIC_STANDBY_AWAY,            /* gauge: 0 or 1 */
	METRIC_HOSTS_OTHER_PLANS,       /* gauge */
	METRIC_REVOCATIONS_NUMBER,      /* gauge */
	METRIC_REVOCATIONS_ENTRIES,     /* gauge */
	METRIC_REVOCATIONS_BYTES,       /* gauge */
	METRIC_REVOCATIONS_NEXT_UPDATE, /* gauge: seconds since 1970 */
	METRIC_REVOCATIONS_WAITING,     /* gauge: seconds */
	METRIC_REVOCATIONS_BEHIND,      /* gauge: 0 or 1 */
	METRIC_USAGE_REPORTS,
	METRIC_USAGE_DUPLICATES,
	METRIC_USAGE_FOLDED,
	METRIC_USAGE_PENDING,          /* gauge */
	METRIC_USAGE_PENDING_SECONDS,  /* gauge */
	METRIC_AUDIT_WAITING_SECONDS,  /* gauge */
	METRIC_EVENTS_WAITING_SECONDS, /* gauge */
	METRIC_REMINDERS_SECONDS,      /* gauge */
	METRIC_REVENUE_SECONDS,        /* gauge */
	METRIC_METER_EVENTS_SENT,
	METRIC_METER_EVENTS_PENDING, /* gauge */
	METRIC_METER_EVENTS_PARKED,  /* gauge */
	METRIC_JOB_FAILURES,
	METRIC_REFUSALS_UNRECORDED,
	METRIC_DATABASE_UP,   /* gauge: 0 or 1 */
	METRIC_JOBS_LAST_RUN, /* gauge: seconds since 1970 */
	METRIC_STRIPE_EVENTS_RECEIVED,
	METRIC_STRIPE_EVENTS_REPEATED,
	METRIC_STRIPE_EVENTS_UNKNOWN,
	METRIC_STRIPE_EVENTS_REFUSED,
	METRIC_STRIPE_EVENTS_DONE,
	METRIC_STRIPE_EVENTS_PENDING,       /* gauge */
	METRIC_STRIPE_EVENTS_PARKED,        /* gauge */
	METRIC_STRIPE_EVENTS_WAITING,       /* gauge: seconds, of the oldest that is pending */
	METRIC_STRIPE_CALLS_PENDING,        /* gauge */
	METRIC_STRIPE_CALLS_PARKED,         /* gauge */
	METRIC_STRIPE_SECOND_SUBSCRIPTIONS, /* gauge */
	METRIC_STRIPE_UNKNOWN_PRICES,       /* gauge: subscriptions */
	METRIC_STRIPE_OTHER_ACCOUNT,        /* gauge: 0 or 1 */
	METRIC_STRIPE_EVENTS_SWEPT,         /* gauge: seconds since 1970 */
	METRIC_STRIPE_SUBSCRIPTIONS_SWEPT,  /* gauge: seconds since 1970 */
	METRIC_STRIPE_JOBS_LAST_RUN,        /* gauge: seconds since 1970 */
	METRIC_WEBHOOK_ENDPOINTS,           /* gauge: enabled */
	METRIC_WEBHOOK_ENDPOINTS_FAILING,   /* gauge */
	METRIC_WEBHOOK_ENDPOINTS_DISABLED,  /* gauge */
	METRIC_WEBHOOKS_PENDING,            /* gauge */
	METRIC_WEBHOOKS_WAITING,            /* gauge: seconds, of the oldest event */
	METRIC_WEBHOOK_KEY_MISSING,         /* gauge: 0 or 1 */
	METRIC_WEBHOOKS_LAST_RUN,           /* gauge: seconds since 1970 */
	METRIC_WEBHOOKS_DELIVERED,          /* the attempts, by their outcome */
	METRIC_WEBHOOKS_ANSWERED,
	METRIC_WEBHOOKS_UNANSWERED,
	METRIC_WEBHOOKS_CLOSED,
	METRIC_WEBHOOKS_FAILED,
	METRIC_NOTICES_SENT,
	METRIC_NOTICES_REFUSED,
	METRIC_NOTICES_FAILED,
	METRIC_NOTICES_REPEATED,
	METRIC_NOTICES_PENDING,    /* gauge */
	METRIC_NOTICES_WAITING,    /* gauge: seconds */
	METRIC_MAIL_SERVER_AWAY,   /* gauge: 0 or 1 */
	METRIC_MAIL_JOBS_LAST_RUN, /* gauge: seconds since 1970 */
	METRIC_COUNT
};

/* A mapping shared with all children of this process; NULL when there is no memory. */
struct metrics *metrics_new(size_t routes);

void metrics_add(struct metrics *metrics, enum metric metric, int64_t amount);
void metrics_set(struct metrics *metrics, enum metric metric, int64_t value);
int64_t metrics_value(const struct metrics *metrics, enum metric metric);

/* One answered request of the route (its index in the table; `routes` for none). */
void metrics_request(struct metrics *metrics, size_t route, int status, int64_t took_us,
                     int64_t database_us);

/* A route's labels, by which no other route goes: `method="GET",route="/health"`. */
typedef const char *route_labels(struct arena *arena, size_t route);

/* Appends the text form (Prometheus exposition format 0.0.4). */
void metrics_render(const struct metrics *metrics, struct text *text, route_labels *labels);

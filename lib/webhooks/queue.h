/*
 * queue.h: what each endpoint is to get, in the database.
 *
 * An endpoint has a cursor in the log of events. A few events behind it are copied into rows of the
 * endpoint's own; the rest waits in the log, so that an endpoint which is away costs nothing. A process takes
 * rows under a lease. Whatever is killed, a row is sent again when its lease is over: an event arrives
 * once or more, always with the same id.
 */
#pragma once

#include "operation/operation.h"

extern const struct statement_list webhook_queue_statements;

/* Longer than an attempt takes. */
enum { WEBHOOK_LEASE_S = 30 };

/* An enabled endpoint, with the secrets that sign for it. */
struct webhook_sendable {
	const char *endpoint_id;
	const char *url;
	struct bytes secret; /* sealed under seal_key */
	struct bytes old_secret;
	const char *seal_key;
	struct instant failing_since;
	struct instant paused_until;
	struct instant last_success_at;
	bool due;            /* a delivery is */
	bool has_new_events; /* events lie behind its cursor, or a customer has a backlog */
};

/* Lists the enabled endpoints. */
enum fail webhook_sendable_endpoints(struct operation *operation,
                                     const struct webhook_sendable **out,
                                     size_t *count) MUST_CHECK;

/* Copies the next events for the endpoint. Of a customer with very many events some wait, so that those of
 * others do not. `*events` counts those that it has read; `*more`: the cursor has passed as many as one step
 * reads, and more may lie behind it. */
enum fail webhook_feed(struct operation *operation, const char *endpoint_id, int64_t *events,
                       bool *more) MUST_CHECK;

/* A delivery that this process has taken. */
struct webhook_taken {
	const char *endpoint_id;
	const char *row_id;
	const char *event_id; /* "evt_..." */
	const char *type;
	int64_t attempts; /* before this one */
	struct instant event_at;
	bool test;               /* it is about no event */
	const char *customer_id; /* of the event */
	int64_t sequence;
	const char *data; /* NULL: a test, or the event is kept no more */
};

/* How many deliveries an endpoint takes, if this is still its URL. */
struct webhook_want {
	const char *endpoint_id;
	const char *url;
	int64_t want;
};

enum fail webhook_take(struct operation *operation, const struct webhook_want *wants,
                       size_t want_count, const struct webhook_taken **out,
                       size_t *count) MUST_CHECK;

/* Ends the lease of rows that were taken and not sent: another process may take them at once. */
enum fail webhook_give_back(struct operation *operation, const char *endpoint_id,
                            const struct string_list *rows) MUST_CHECK;

/* The outcome of an attempt. */
struct webhook_outcome {
	const char *endpoint_id;
	const char *row_id;
	const char *url;         /* that failed; NULL: none, or it was a test */
	const char *customer_id; /* of the event; NULL: none */
	const char *state;       /* "delivered", "pending", "failed" */
	struct instant due_at;   /* of the next attempt */
	struct instant attempted_at;
	int64_t status; /* 0: no answer */
	int64_t took_ms;
	const char *reason; /* NULL: none */
	const char *answer; /* NULL: none */
};

/* A delivery that failed at a URL which the endpoint has no more is due at the new one. */
enum fail webhook_record(struct operation *operation, const struct webhook_outcome *outcomes,
                         size_t count) MUST_CHECK;

/* How an endpoint is doing, of the outcomes that are recorded together. */
struct webhook_health {
	const char *endpoint_id;
	const char *url; /* that was asked */
	bool succeeded;
	bool failed; /* after the last success */
	bool gone;   /* 410 */
	struct instant paused_until;
};

/* Stores the health, unless the URL was changed meanwhile: then pending deliveries become due at the new URL. An
 * endpoint that is gone, or has failed for five days, is disabled, with an event and an entry in the audit trail. All that waits
 * for one that failed for a minute and answers again is due now. */
enum fail webhook_health_write(struct operation *operation,
                               const struct webhook_health *health) MUST_CHECK;

/* A job: removes deliveries that were over long ago, and what is left of deleted endpoints. */
enum fail webhook_prune(struct operation *operation, int64_t *pruned) MUST_CHECK;

/* An event that has not reached an endpoint for longer is a fault. */
enum { WEBHOOK_WAIT_MAX_S = 900 };

struct webhook_figures {
	int64_t enabled;              /* endpoints */
	int64_t failing;              /* of them, for more than ten minutes */
	int64_t disabled;             /* by failures or by their receivers */
	int64_t pending;              /* deliveries */
	struct instant waiting_since; /* of the oldest event that an enabled endpoint lacks */
	const char *failing_one;
	const char *disabled_one;
};

enum fail webhook_figures(struct operation *operation, struct webhook_figures *out) MUST_CHECK;

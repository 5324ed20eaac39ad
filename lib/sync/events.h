/*
 * events.h: what Stripe told us, stored before it is answered and kept until it is dealt
 * with: pending, done, ignored (nothing that we keep), or parked after too many tries.
 */
#ifndef SYNC_EVENTS_H
#define SYNC_EVENTS_H

#include "billing/operation.h"
#include "stripe/event.h"

struct stripe_event_row {
	const char *event_id;
	const char *type;
	const char *origin; /* "webhook", or "sweep" for one that never arrived */
	const char *state;
	const char *family;
	const char *subject;
	const char *stripe_customer_id;
	const char *customer_hint;
	const char *customer_id; /* once it is known whose it is */
	int64_t attempts;
	struct instant happened_at;
	struct instant received_at;
	struct instant next_try_at;
	struct instant finished_at;
	const char *error;
};

/* How the queue stands. */
struct stripe_event_figures {
	int64_t pending;
	int64_t parked;
	struct instant oldest_pending; /* received */
};

extern const struct statement_list stripe_event_statements;

/*
 * Stores the event and wakes the jobs process. What means nothing here is stored without its
 * payload (JSON, or NULL for none), which may hold personal data. `origin` as above. `*is_new` is
 * false for one that was stored before: a parked one is tried again then.
 */
enum fail stripe_event_receive(struct operation *operation, const struct stripe_event *event,
                               const char *payload, const char *origin,
                               bool *is_new) MUST_CHECK;

/* Whether it was never stored. */
enum fail stripe_event_is_new(struct operation *operation, const char *event_id,
                              bool *is_new) MUST_CHECK;

/* One that is due, locked in the open transaction; `*found`. */
enum fail stripe_event_take(struct operation *operation, struct stripe_event_row *out,
                            bool *found) MUST_CHECK;

/* It is dealt with ("done", "ignored"), and with it all about the same object that had arrived
 * before `since`, when it was fetched. In the open transaction. */
enum fail stripe_event_finish(struct operation *operation, const struct stripe_event_row *row,
                              const char *state, const char *customer_id,
                              struct instant since) MUST_CHECK;

/* It could not be dealt with: tried again later, or parked after the policy's tries. With `counts`
 * false it was not the event's fault, and it is tried again in half a minute. */
enum fail stripe_event_fail(struct operation *operation, const struct stripe_event_row *row,
                            const char *error, bool counts) MUST_CHECK;

/* Newest first; `state` NULL: all. */
enum fail stripe_event_list(struct operation *operation, const char *state, int64_t limit,
                            const struct stripe_event_row **out, size_t *count) MUST_CHECK;

/* FAIL_NOT_FOUND "event_not_found". `payload` is NULL when it is no longer kept. */
enum fail stripe_event_find(struct operation *operation, const char *event_id,
                            struct stripe_event_row *out, const char **payload) MUST_CHECK;

/* Makes a parked or ignored event pending again; `event_id` NULL: all parked ones. `*count`. */
enum fail stripe_event_retry(struct operation *operation, const char *event_id,
                             int64_t *count) MUST_CHECK;

enum fail stripe_event_figures(struct operation *operation,
                               struct stripe_event_figures *out) MUST_CHECK;

/* Forgets what was told of the customer, once it is marked as deleted: payloads hold personal data.
 * Waits for nobody: an event that is being dealt with forgets its own when it ends. */
enum fail stripe_event_forget(struct operation *operation, const char *customer_id) MUST_CHECK;

/* A job: deletes payloads after 30 days and finished events after 90. */
enum fail stripe_event_prune(struct operation *operation, int64_t *pruned) MUST_CHECK;

#endif

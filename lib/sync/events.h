/* events.h: Stripe's events, stored before Stripe gets its answer. An event is pending until it
 * is done, ignored (it is about nothing that we keep), or parked after too many attempts. */
#pragma once

#include "operation/operation.h"
#include "stripe/event.h"

/* The beginning of the types of events that a comparison stores: "sweep.subscription". */
#define SWEEP_EVENT "sweep."

struct stripe_event_row {
	const char *event_id;
	const char *type;
	const char *origin; /* "webhook", or "sweep" for one that never arrived */
	const char *state;
	const char *family;
	const char *subject;
	const char *stripe_customer_id;
	const char *customer_hint;
	const char *customer_id; /* NULL until it is known */
	int64_t attempts;
	struct instant happened_at;
	struct instant received_at;
	struct instant next_try_at;
	struct instant finished_at;
	const char *error;
};

struct stripe_event_figures {
	int64_t pending;
	int64_t parked;
	struct instant oldest_pending; /* received */
};

extern const struct statement_list stripe_event_statements;

/* Stores the event and wakes the Stripe jobs. `payload` is its JSON, or NULL; it may hold
 * personal data and is stored only for events that we act on. `origin` as above. `*is_new` is
 * false for an event that was stored before; a parked one becomes pending again. */
enum fail stripe_event_receive(struct operation *operation, const struct stripe_event *event,
                               const char *payload, const char *origin,
                               bool *is_new) MUST_CHECK;

/* Whether the event was never stored. */
enum fail stripe_event_is_new(struct operation *operation, const char *event_id,
                              bool *is_new) MUST_CHECK;

/* Takes an event that is due, locked until the transaction ends, which has no id by that; `*found` is
 * false without one. */
enum fail stripe_event_take(struct operation *operation, struct stripe_event_row *out,
                            bool *found) MUST_CHECK;

/* Ends the event as "done" or "ignored", in the open transaction. Ends with it all events about
 * the same object that were received before `since`, when the object was fetched. */
enum fail stripe_event_finish(struct operation *operation, const struct stripe_event_row *row,
                              const char *state, const char *customer_id,
                              struct instant since) MUST_CHECK;

/* Has the event processed again later, or parks it after as many attempts as the policy allows. With
 * `counts` false the attempt does not count, and the delay is half a minute. */
enum fail stripe_event_fail(struct operation *operation, const struct stripe_event_row *row,
                            const char *error, bool counts) MUST_CHECK;

/* The events in that state (NULL: in any), newest first. */
enum fail stripe_event_list(struct operation *operation, const char *state, int64_t limit,
                            const struct stripe_event_row **out, size_t *count) MUST_CHECK;

/* FAIL_NOT_FOUND "event_not_found". `payload` is NULL when it is no longer kept. */
enum fail stripe_event_find(struct operation *operation, const char *event_id,
                            struct stripe_event_row *out, const char **payload) MUST_CHECK;

/* Makes a parked or ignored event pending again; `event_id` NULL: all parked ones. `*count`. */
enum fail stripe_event_retry(struct operation *operation, const char *event_id,
                             int64_t *count) MUST_CHECK;

/* Ends a parked or pending event as "dismissed", because an operator says why nothing is to be done
 * about it; audited. FAIL_NOT_FOUND "event_not_found", FAIL_CONFLICT "nothing_to_dismiss". */
enum fail stripe_event_dismiss(struct operation *operation, const char *event_id,
                               const char *why) MUST_CHECK;

/* Whether an event has told that the object was deleted at Stripe. */
enum fail stripe_event_deletion_is_known(struct operation *operation, const char *subject,
                                         bool *known) MUST_CHECK;

enum fail stripe_event_figures(struct operation *operation,
                               struct stripe_event_figures *out) MUST_CHECK;

/* Deletes the payloads of events about a customer who is marked as deleted. Skips events that
 * are locked: they lose their payload when they end. */
enum fail stripe_event_forget(struct operation *operation, const char *customer_id) MUST_CHECK;

/* A job: deletes payloads after 30 days and finished events after 90. */
enum fail stripe_event_prune(struct operation *operation, int64_t *pruned) MUST_CHECK;

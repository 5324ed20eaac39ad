/*
 * objects.h: fetch an object of Stripe's and store it: what an event is a hint of, and what
 * the comparison with Stripe repairs.
 *
 * Each works in the open transaction and locks its object before it fetches, so that what is
 * stored is never older than what was stored before, whatever order the hints came in.
 */
#ifndef SYNC_OBJECTS_H
#define SYNC_OBJECTS_H

#include "billing/operation.h"
#include "stripe/client.h"

/* What became of an object. */
enum sync_result {
	SYNC_SAME,    /* it was so already */
	SYNC_CHANGED, /* it is now */
	SYNC_FOREIGN, /* of no customer of ours, or of nothing that we sell */
	SYNC_WAITS    /* a change of ours is on its way, whose answer will be stored */
};

/* The object to fetch: The object to fetch. */
struct sync_target {
	const char *id;
	const char *customer;    /* Stripe's, or NULL */
	const char *customer_id; /* ours, as the metadata at Stripe names it, or NULL */
	const char *event_type;  /* why, or NULL: a deletion may find nothing */
};

/* `*customer_id` is whose it is, or NULL. Failures: FAIL_STRIPE "stripe_error" (nothing known, try
 * later), FAIL_NOT_FOUND "stripe_not_found", FAIL_CONFLICT "unknown_customer" for a subscription
 * with a price of ours that belongs to nobody. */
enum fail stripe_sync_subscription(struct operation *operation,
                                   const struct sync_target *target, const char **customer_id,
                                   enum sync_result *out) MUST_CHECK;
enum fail stripe_sync_invoice(struct operation *operation, const struct sync_target *target,
                              const char **customer_id, enum sync_result *out) MUST_CHECK;
enum fail stripe_sync_customer(struct operation *operation, const struct sync_target *target,
                               const char **customer_id, enum sync_result *out) MUST_CHECK;

/* Stripe could not count some use by a meter. The event names samples at best, so all meters are
 * compared at once. */
enum fail stripe_sync_meters(struct operation *operation, const struct sync_target *target,
                             const char **customer_id, enum sync_result *out) MUST_CHECK;

/* Looks whether Stripe has a live subscription of the customer to something that we sell, and stores
 * it; `*found`. Its events may be on their way still. */
enum fail stripe_sync_bought(struct operation *operation, const char *stripe_customer_id,
                             const char *customer_id, bool *found) MUST_CHECK;

/* Stores a subscription that Stripe has just given; its lock is held. */
enum fail stripe_sync_store_subscription(struct operation *operation,
                                         const struct json_view *object,
                                         const char *named_customer_id,
                                         const char **customer_id,
                                         enum sync_result *out) MUST_CHECK;

#endif

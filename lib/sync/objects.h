/*
 * objects.h: fetches an object of Stripe's and stores our copy of it, because of an event or
 * because the comparison with Stripe has found a difference.
 *
 * Each function works in the open transaction and locks the object before it is fetched. So a
 * copy is never replaced by an older one, in whatever order events arrive.
 */
#pragma once

#include "operation/operation.h"
#include "stripe/client.h"
#include "stripe/objects.h"
#include "subscriptions/subscriptions.h"

/* The outcome of syncing an object. */
enum sync_result {
	SYNC_SAME,    /* our copy was up to date */
	SYNC_CHANGED, /* our copy has changed */
	SYNC_FOREIGN, /* it belongs to no customer of ours, or to nothing that we sell */
	SYNC_WAITS /* not stored: Stripe has not carried out a call of ours that changes it */
};

/* The object to fetch. */
struct sync_target {
	const char *id;
	const char *customer;    /* Stripe's, or NULL */
	const char *customer_id; /* ours, as the metadata at Stripe names it, or NULL */
	const char *event_type;  /* or NULL; after a deletion the object may not exist */
};

/* `*customer_id` is our customer to whom the object belongs, or NULL. Failures: FAIL_STRIPE
 * "stripe_error" (try later), FAIL_NOT_FOUND "stripe_not_found", FAIL_CONFLICT
 * "unknown_customer" for a subscription with one of our prices that belongs to no customer. */
enum fail stripe_sync_subscription(struct operation *operation,
                                   const struct sync_target *target, const char **customer_id,
                                   enum sync_result *out) MUST_CHECK;
enum fail stripe_sync_invoice(struct operation *operation, const struct sync_target *target,
                              const char **customer_id, enum sync_result *out) MUST_CHECK;
enum fail stripe_sync_customer(struct operation *operation, const struct sync_target *target,
                               const char **customer_id, enum sync_result *out) MUST_CHECK;

/* Stores what a refund or a dispute has given back of a subscription's payment: see reversals.h. An
 * object is foreign when it has paid for no subscription that we keep. */
enum fail stripe_sync_charge(struct operation *operation, const struct sync_target *target,
                             const char **customer_id, enum sync_result *out) MUST_CHECK;
enum fail stripe_sync_dispute(struct operation *operation, const struct sync_target *target,
                              const char **customer_id, enum sync_result *out) MUST_CHECK;

/* Stripe could not count some use by a meter. The event names samples at best, so all meters
 * are compared at once. */
enum fail stripe_sync_meters(struct operation *operation, const struct sync_target *target,
                             const char **customer_id, enum sync_result *out) MUST_CHECK;

/* Stores the customer's live subscription at Stripe to something that we sell; `*found` is false without
 * one. Its events may not have arrived yet. */
enum fail stripe_sync_bought(struct operation *operation, const char *stripe_customer_id,
                             const char *customer_id, bool *found) MUST_CHECK;

/* Whether `theirs` must not be stored, because Stripe has not carried out a cancellation of ours: it is
 * pending, or it is parked while the subscription has ended here and not at Stripe. Otherwise access
 * that was revoked would come back. `ours` is our row of it, or NULL. */
enum fail stripe_sync_must_wait(struct operation *operation,
                                const struct stripe_subscription *theirs,
                                const struct synced_subscription *ours, bool *out) MUST_CHECK;

/* Stores a subscription that has just been fetched. The caller has locked it. */
enum fail stripe_sync_store_subscription(struct operation *operation,
                                         const struct json_view *object,
                                         const char *named_customer_id,
                                         const char **customer_id,
                                         enum sync_result *out) MUST_CHECK;

/*
 * plan_change.h: from the plan that a subscription has to the one that is wished, as Stripe has it
 * at this moment.
 */
#ifndef SALES_PLAN_CHANGE_H
#define SALES_PLAN_CHANGE_H

#include "billing/subscriptions.h"
#include "stripe/form.h"
#include "sync/ours.h"

/* The plan that a client requests. */
struct plan_change {
	const char *customer_id;
	const char *new_plan;
	struct instant proration_at; /* as the preview said; unknown: now */
};

struct plan_terms {
	struct subscription subscription; /* ours, before Stripe was looked at */
	struct sold_subscription sold;    /* Stripe's */
	const struct plan_price *price; /* of the wished plan, with the interval that it has */
	bool up;                        /* to a greater plan */
};

/* FAIL_CONFLICT "nothing_to_change", "subscription_ended". */
enum fail fail_nothing_to_change(struct operation *operation) MUST_CHECK;
enum fail fail_subscription_ended(struct operation *operation) MUST_CHECK;

/* The customer's subscription. What was bought a moment ago may not have been told of yet: without
 * a live one of Stripe's it is looked for there. Not to be called within a transaction. */
enum fail change_find(struct operation *operation, const char *customer_id,
                      struct subscription *out) MUST_CHECK;

/* The same, which must be one of Stripe's that has not ended: FAIL_CONFLICT "checkout_needed",
 * "subscription_ended"; FAIL_UNAVAILABLE "stripe_not_configured". */
enum fail change_find_paid(struct operation *operation, const char *customer_id,
                           struct subscription *out) MUST_CHECK;

/* As Stripe has it now: ours may be a moment behind. */
enum fail change_fetch(struct operation *operation, const struct subscription *subscription,
                       struct sold_subscription *out) MUST_CHECK;

/* The step to the wished plan. FAIL_INVALID for one that is not sold, or another moment of
 * proration than a preview of the last hour; else as above. */
enum fail plan_terms_find(struct operation *operation, const struct plan_change *change,
                          struct plan_terms *out) MUST_CHECK;

/* The moment of proration that a change at this time has: Stripe takes none outside of the current
 * period (docs.stripe.com/api/subscriptions/update, proration_date). Whole seconds. */
struct instant plan_terms_proration_at(const struct plan_terms *terms, int64_t now_ms);

/* Adds the items that change, under `prefix`: "items", say. */
void plan_terms_add_items(struct stripe_form *form, const char *prefix,
                          const struct billing *billing, const struct plan_terms *terms);

/* Stripe's `proration_behavior`. */
const char *plan_terms_proration_behavior(const struct plan_terms *terms);

#endif

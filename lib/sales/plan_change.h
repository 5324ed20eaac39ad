/* plan_change.h: the terms of a change from a subscription's plan to a requested one, by the
 * state of the subscription at Stripe. */
#pragma once

#include "billing/subscriptions.h"
#include "sales/addon_items.h"
#include "stripe/form.h"
#include "subscriptions/sold_items.h"

/* The plan that a client requests. */
struct plan_change {
	const char *customer_id;
	const char *new_plan;
	const char *field;      /* by which the client named it, for the failure */
	const char *interval;   /* "month" or "year"; NULL: the present one */
	int64_t interval_count; /* with an interval; 0: as many as now, or preferably one */
	struct purchase_change purchase;
	struct instant proration_at; /* from the preview; unknown: now */
};

struct change_terms {
	struct subscription subscription; /* our row, as it was before Stripe was asked */
	struct sold_subscription sold;    /* Stripe's */
	const struct price *price;        /* of the requested plan */
	struct addon_change addons;       /* and the quantity of the plan, before and after */
	bool changes_interval;
	/* To a greater plan, to a longer interval of the same one, or to more of anything. */
	bool is_upgrade;
	const char *proration;       /* Stripe's `proration_behavior` */
	struct instant proration_at; /* as requested; unknown: now */
};

/* Whether the subscription has the plan, the interval, the quantity and the add-ons already. */
bool change_terms_are_present(const struct change_terms *terms);

/* Whether the present period is not paid for yet. Stripe would credit its rest all the same. A greater
 * plan waits neither for a draft of Stripe's nor for an invoice that is due later. */
bool change_terms_owe(const struct change_terms *terms);

/* FAIL_CONFLICT "payment_due" when they do. */
enum fail change_terms_check_paid(struct operation *operation,
                                  const struct change_terms *terms) MUST_CHECK;

/* FAIL_CONFLICT "nothing_to_change", "subscription_ended", "checkout_needed". */
enum fail fail_nothing_to_change(struct operation *operation) MUST_CHECK;
enum fail fail_subscription_ended(struct operation *operation) MUST_CHECK;
enum fail fail_checkout_needed(struct operation *operation) MUST_CHECK;

/* Finds the customer's subscription. When ours is no live one of Stripe's, it looks at Stripe
 * first: the event of a purchase may still be on its way. Commits: not to be called within a
 * transaction. */
enum fail change_find(struct operation *operation, const char *customer_id,
                      struct subscription *out) MUST_CHECK;

/* Finds it likewise, but it must be one of Stripe's that has not ended: FAIL_CONFLICT
 * "checkout_needed", "subscription_ended". The caller has checked stripe_is_configured(). */
enum fail change_find_paid(struct operation *operation, const char *customer_id,
                           struct subscription *out) MUST_CHECK;

/* Fetches the subscription's present state at Stripe. FAIL_CONFLICT "subscription_ended". */
enum fail change_fetch(struct operation *operation, const struct subscription *subscription,
                       struct sold_subscription *out) MUST_CHECK;

/* Finds the terms of the change. FAIL_INVALID for a plan or add-on that is not sold, or not by this
 * interval, for a quantity of what is bought once, and for another time of proration than that of a preview
 * of the last hour; FAIL_CONFLICT "interval_fixed", "mixed_change", or "price_unclear" when no item is
 * known to be the plan's; otherwise as above. */
enum fail change_terms_find(struct operation *operation, const struct plan_change *change,
                            struct change_terms *out) MUST_CHECK;

/* The time of proration of a change that happens now, in whole seconds. Stripe accepts none
 * outside of the current period (docs.stripe.com/api/subscriptions/update, proration_date). */
struct instant change_terms_proration_at(const struct change_terms *terms, int64_t now_ms);

/* Adds what begins a new period with another interval, under `key`, for example
 * "billing_cycle_anchor". In classic billing mode Stripe begins one by itself, in flexible mode only
 * when asked (docs.stripe.com/billing/subscriptions/billing-mode/compare). */
void change_terms_add_anchor(struct stripe_form *form, const char *key,
                             const struct billing *billing, const struct change_terms *terms);

/* Adds the subscription's new items under `prefix`, for example "items". */
void change_terms_add_items(struct stripe_form *form, const char *prefix,
                            const struct billing *billing, const struct change_terms *terms);

/*
 * changes.h: changes, cancels and resumes a customer's subscription.
 *
 * A subscription of Stripe's is changed there first; Stripe's answer is then stored. The functions wait for
 * Stripe and commit in several steps: they are not to be called within a transaction.
 *
 * Failures of all: FAIL_UNAVAILABLE "stripe_not_configured"; FAIL_NOT_FOUND; FAIL_CONFLICT
 * "checkout_needed" (nothing was bought yet), "subscription_ended", "payment_reversed" (refunded or
 * disputed), "nothing_to_change"; FAIL_BUSY "operation_in_progress", "idempotency_in_progress"; FAIL_PAYMENT (nothing was changed);
 * FAIL_STRIPE (when the outcome is unknown, the Stripe jobs fetch the subscription).
 */
#pragma once

#include "sales/plan_change.h"

/* One line of a preview. */
struct preview_line {
	const char *description;
	int64_t amount; /* minor units, negative for a credit */
	bool proration;
	struct preview_line *next;
};

struct change_preview {
	const char *plan;         /* the present one */
	struct purchase purchase; /* after the change */
	const char *interval;     /* after the change; NULL: neither a month nor a year */
	bool at_period_end;
	struct instant proration_at;
	struct instant period_ends_at;
	int64_t amount_due; /* Stripe would charge this now, in minor units */
	const char *currency;
	struct preview_line *lines;
};

/* Changes the plan, the interval, the quantity and the add-ons, or some of them. A greater plan
 * (further down in the table of plans), a longer interval of the same one, and more of anything begin and
 * are charged at once, and only if the payment succeeds. A smaller plan and less of anything begin at once
 * with a credit for the rest of the period, or with the next period, by the sales policy. Requesting what
 * there is takes a scheduled change back. FAIL_INVALID for what is not sold; FAIL_CONFLICT
 * "payment_due" for a change that begins at once while the present period is not paid,
 * "interval_fixed" where the interval cannot change, "mixed_change" for more and less at once where the
 * policy has less wait, "price_unclear" when no item at Stripe is known to be the plan's. */
enum fail change_plan(struct operation *operation, const struct plan_change *change) MUST_CHECK;

/* Computes what change_plan() would charge now. */
enum fail change_preview(struct operation *operation, const struct plan_change *change,
                         struct change_preview *out) MUST_CHECK;

enum cancel_when {
	CANCEL_BY_POLICY, /* now or at the end of the period, as the sales policy says */
	CANCEL_NOW,
	CANCEL_AT_PERIOD_END
};

/* Cancels the subscription. A trial that Stripe does not know is cancelled without Stripe, and
 * by policy at once: nothing was paid. */
enum fail change_cancel(struct operation *operation, const char *customer_id,
                        enum cancel_when when) MUST_CHECK;

/* Takes a scheduled cancellation back, or ends a pause. */
enum fail change_resume(struct operation *operation, const char *customer_id) MUST_CHECK;

/* Sends one scheduled plan change that is due to Stripe; `*done` is 1 if there was one. */
enum fail change_run_scheduled(struct operation *operation, int64_t *done) MUST_CHECK;

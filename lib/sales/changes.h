/*
 * changes.h: what a customer changes about its subscription: plan, end, and the end undone.
 *
 * Subscriptions of Stripe's are changed there first, and stored as Stripe then has them. All but
 * the local trial's wait for Stripe and commit as they go: not to be called within a transaction.
 *
 * Failures of all: FAIL_UNAVAILABLE "stripe_not_configured"; FAIL_NOT_FOUND; FAIL_CONFLICT
 * "checkout_needed" (nothing was bought yet), "subscription_ended", "nothing_to_change"; FAIL_BUSY
 * "operation_in_progress"; FAIL_PAYMENT (nothing was changed); FAIL_STRIPE (what Stripe has is
 * looked up by the jobs process when nobody knows).
 */
#ifndef SALES_CHANGES_H
#define SALES_CHANGES_H

#include "sales/plan_change.h"

/* One line of a preview. */
struct preview_line {
	const char *description;
	int64_t amount; /* minor units, negative for a credit */
	bool proration;
	struct preview_line *next;
};

struct change_preview {
	const char *plan; /* as it is */
	bool at_period_end;
	struct instant proration_at;
	struct instant period_ends_at;
	int64_t amount_due; /* what Stripe would charge now, in minor units */
	const char *currency;
	struct preview_line *lines;
};

/*
 * Another plan: a greater one (further down in the table of plans) at once, charged at once, and
 * only if the payment succeeds; a smaller one by the policy at once, the rest credited, or with
 * the next period. The present plan again takes a scheduled change back. FAIL_INVALID for a plan
 * that is not sold.
 */
enum fail change_plan(struct operation *operation, const struct plan_change *change) MUST_CHECK;

/* What change_plan() would cost now. */
enum fail change_preview(struct operation *operation, const struct plan_change *change,
                         struct change_preview *out) MUST_CHECK;

/* Ends the subscription now or with its period; a trial of ours without Stripe. */
enum fail change_cancel(struct operation *operation, const char *customer_id,
                        bool at_period_end) MUST_CHECK;

/* Takes a scheduled end back. */
enum fail change_resume(struct operation *operation, const char *customer_id) MUST_CHECK;

/* Asks Stripe for one scheduled plan that is due; `*done` is 1 if there was one. */
enum fail change_run_scheduled(struct operation *operation, int64_t *done) MUST_CHECK;

#endif

/*
 * reversals.h: payments that were given back, by a refund or a dispute, and what that does to
 * access.
 *
 * The policy of the settings is applied once: when refunds give the whole payment of an invoice
 * back, or when a dispute of whatever amount begins. It is applied to the payment of a period that
 * is not over; what was paid for a past one, for prorations or for use is recorded alone. Later
 * events of the subscription do not undo it; a won dispute or an operator does. The subscription at
 * Stripe then ends with its period, so that nothing is paid for without access: when it goes on
 * again, the sync ends it again.
 */
#pragma once

#include "operation/operation.h"
#include "stripe/objects.h"
#include "json/out.h"

extern const struct statement_list reversal_statements;

struct reversal {
	const char *object_id; /* Stripe's charge that was refunded, or its dispute */
	const char *kind;      /* "refund" or "dispute" */
	const char *customer_id;
	const char *stripe_subscription_id;
	const char *invoice_id;
	int64_t amount; /* refunded so far, or disputed; in minor units */
	const char *currency;
	const char *status; /* of the dispute, as Stripe names it; NULL for a refund */
	const char *policy; /* that was applied: keep, period_end or revoke; NULL: none yet */
	struct instant access_ends_at; /* by the policy */
	bool ends_subscription;        /* it alone ends the subscription, not the customer */
	struct instant other_end_at;   /* the later end that the subscription had before */
	struct instant created_at;
	struct instant lifted_at;
	const char *lifted_by; /* "won", or the actor who has given access back */
};

/* Stores what was given back of the invoice, and applies the policy if it is time. An inquiry of a
 * bank (warning_...) is no dispute yet. Joins the open transaction; the subscription has a row.
 * `*changed` as in subscription_sync_store(). */
enum fail reversal_store(struct operation *operation, const struct reversal *reversal,
                         const struct stripe_invoice *invoice, bool *changed) MUST_CHECK;

/* Records that the customer wants the end of the subscription: the end stays when access is given back.
 * `*yielded`: it was only an end by refunds and disputes until now. */
enum fail reversal_yield_end(struct operation *operation, const char *stripe_subscription_id,
                             bool *yielded) MUST_CHECK;

/* Gives the customer back the access that refunds and disputes have ended or will end, because an
 * operator says why; audited. `*count` is how many. FAIL_CONFLICT "nothing_to_restore". */
enum fail reversal_lift(struct operation *operation, const char *customer_id, const char *why,
                        int64_t *count) MUST_CHECK;

/* The customer's, newest first; at most `limit`. */
enum fail reversal_list(struct operation *operation, const char *customer_id, int64_t limit,
                        const struct reversal **out, size_t *count) MUST_CHECK;

void render_reversal(struct json_out *json, const struct reversal *reversal);

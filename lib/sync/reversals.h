/*
 * reversals.h: payments that were given back, by a refund or a dispute, and what that does to
 * access.
 *
 * The policy of the installation is applied once, when the whole payment of an invoice is given
 * back. Later events of the subscription do not undo it; a won dispute or an operator does. The
 * subscription at Stripe then ends with its period, so that nothing is paid for without access.
 */
#pragma once

#include "billing/operation.h"

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
	bool ends_subscription;        /* Stripe was told to end the subscription */
	struct instant created_at;
	struct instant lifted_at;
	const char *lifted_by; /* "won", or the actor who has given access back */
};

/* Stores what was given back of the invoice, of which `paid` was paid, and applies the policy when
 * that is all of it. An inquiry of a bank (warning_...) is no dispute yet. Joins the open
 * transaction; the subscription has a row. `*changed` as in subscription_sync_store(). */
enum fail reversal_store(struct operation *operation, const struct reversal *reversal,
                         int64_t paid, bool *changed) MUST_CHECK;

/* Gives the customer back the access that refunds and disputes have ended or will end, because an
 * operator says why; audited. `*count` is how many. FAIL_CONFLICT "nothing_to_restore". */
enum fail reversal_lift(struct operation *operation, const char *customer_id, const char *why,
                        int64_t *count) MUST_CHECK;

/* The customer's, newest first; at most `limit`. */
enum fail reversal_list(struct operation *operation, const char *customer_id, int64_t limit,
                        const struct reversal **out, size_t *count) MUST_CHECK;

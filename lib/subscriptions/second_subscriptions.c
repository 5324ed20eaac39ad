/* second_subscriptions.c: live subscriptions of a customer beside the one that counts. */
#include "subscriptions/second_subscriptions.h"

#include "base/log.h"
#include "billing/audit.h"
#include "billing/subscriptions.h"
#include "outbox/call_records.h"
#include "outbox/enqueue.h"

struct second {
	const char *stripe_subscription_id;
	bool counts_less; /* another subscription or a contract counts now */
	bool unpaid;      /* its period: Stripe would credit the rest all the same */
	struct instant contract_starts_at;
};

struct total {
	int64_t number;
};

#define FINAL "('canceled', 'incomplete_expired')"

/* Contracts, whose end no operator has set, that the subscription does not end before. */
#define CONTRACTS(moment)                                                                      \
	"FROM subscriptions c JOIN contracts k USING (contract_id) "                           \
	"WHERE c.customer_id = s.customer_id AND k.end_set_at IS NULL "                        \
	"AND c.status NOT IN " FINAL " AND c.ends_at > " moment                                \
	" AND NOT COALESCE(LEAST(s.cancel_at, CASE WHEN s.cancel_at_period_end "               \
	"  THEN s.current_period_ends_at END) <= c.starts_at, false)"

/* A subscription beside the one that counts, or beside a contract. */
#define SECOND(moment)                                                                         \
	"s.contract_id IS NULL AND s.stripe_subscription_id IS NOT NULL "                      \
	"AND s.status NOT IN " FINAL " AND s.status <> 'incomplete' "                          \
	"AND (s.superseded OR EXISTS (SELECT " CONTRACTS(moment) "))"

enum { OF_CUSTOMER, TOTAL };

static const struct statement statements[] = {
        [OF_CUSTOMER] =
                {"second_subscriptions",
                 ROWS_WITH(struct second, stripe_subscription_id, counts_less, unpaid,
                           contract_starts_at),
                 .sql = "SELECT s.stripe_subscription_id, s.superseded OR EXISTS "
                        "(SELECT " CONTRACTS(
                                "$2") " AND subscription_order(c, $2) = 0) AS counts_less, "
                                      "s.status IN ('past_due', 'unpaid') AS unpaid, "
                                      "(SELECT min(c.starts_at) " CONTRACTS(
                                              "$2") ") AS contract_starts_at "
                                                    "FROM subscriptions s WHERE s.customer_id "
                                                    "= $1 AND " SECOND("$2")},
        [TOTAL] = {"second_subscriptions_count", ROWS_WITH(struct total, number),
                   .sql = "SELECT count(DISTINCT customer_id) AS number FROM subscriptions s "
                          "WHERE " SECOND("$1")},
};

const struct statement_list second_subscription_statements = STATEMENT_LIST(statements);

/* Has the subscription end when the contract begins: until then it is the customer's only one. */
static enum fail
end_before(struct operation *operation, const char *customer_id, const struct second *second)
{
	const char *id = second->stripe_subscription_id;
	bool under_way;

	TRY(stripe_call_is_pending(operation, STRIPE_END, id, &under_way));
	return under_way || second->contract_starts_at.ms <= operation->now_ms
	               ? FAIL_NONE
	               : stripe_end_enqueue(operation, customer_id, id, false,
	                                    second->contract_starts_at);
}

/* Whether the subscription that counts is being cancelled, also by a call that an operator may send again. The
 * choice has changed then since another one counted, and that one must stay. */
static enum fail
counting_is_ending(struct operation *operation, const char *customer_id, bool *out)
{
	const struct subscription *counting;

	*out = false;
	TRY(subscription_newest(operation, customer_id, &counting));
	if (counting == NULL || counting->stripe_subscription_id == NULL)
		return FAIL_NONE;
	return stripe_call_cancellation_is_open(operation, counting->stripe_subscription_id,
	                                        out);
}

static enum fail
end_second(struct operation *operation, const char *customer_id, const struct second *second)
{
	if (!second->counts_less)
		return end_before(operation, customer_id, second);
	return stripe_cancel_enqueue(operation, customer_id, second->stripe_subscription_id,
	                             second->unpaid ? stripe_cancel_parameters(operation)
	                                            : "prorate=true&invoice_now=true");
}

enum fail
second_subscriptions_report(struct operation *operation, const char *customer_id)
{
	const struct second *rows;
	const bool ends = operation->billing->sales.cancel_second;
	bool keeps_others = false;
	size_t count;

	TRY(db_rows(operation->db, operation->task, &statements[OF_CUSTOMER],
	            PARAMETERS(customer_id, param_now(operation)), (void *)&rows, &count));
	if (count > 0 && ends)
		TRY(counting_is_ending(operation, customer_id, &keeps_others));
	for (size_t i = 0; i < count; i++) {
		const char *id = rows[i].stripe_subscription_id;

		log_line(LOG_LEVEL_WARNING, "a customer has a second live subscription",
		         LOG_S("customer_id", customer_id), LOG_S("subscription", id));
		TRY(audit_record(operation, "second_subscription", customer_id, id, NULL));
		if (ends && !keeps_others)
			TRY(end_second(operation, customer_id, &rows[i]));
	}
	return FAIL_NONE;
}

enum fail
second_subscriptions_count(struct operation *operation, int64_t *count)
{
	struct total total = {0};
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[TOTAL],
	           PARAMETERS(param_now(operation)), &total, &found));
	*count = total.number;
	return FAIL_NONE;
}

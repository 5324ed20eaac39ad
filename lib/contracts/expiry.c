/* expiry.c: ends contracts by their dates, and decides what such an end allows. */
#include "billing/audit.h"
#include "billing/customers.h"
#include "contracts/contracts.h"
#include "issuing/license_rights.h"
#include "outbox/calls.h"
#include "outbox/enqueue.h"

struct ending {
	bool others;
	struct instant ends_at;
};

struct due {
	const char *customer_id;
	const char *contract_id;
	const char *stripe_subscription_id; /* or NULL */
};

#define FINAL "('canceled', 'incomplete_expired')"

/* Stripe tells within this time that it has ended a subscription with its contract. */
#define STRIPE_LATE "interval '1 hour'"

enum { ENDING, DUE, RECORD_END, UNKNOWN_AT_STRIPE, FORGET };

static const struct statement statements[] = {
        [ENDING] = {"contract_ending", ROWS_WITH(struct ending, others, ends_at),
                    .sql = "SELECT COALESCE(bool_or(k.end_set_at IS NULL), false) AS others, "
                           "max(s.ends_at) AS ends_at FROM subscriptions s "
                           "JOIN contracts k USING (contract_id) "
                           "WHERE s.customer_id = $1 AND s.ends_at > $2 "
                           "AND s.status NOT IN " FINAL},
        /* Stripe ends its subscriptions itself; what it did not end, is cancelled once. */
        [DUE] = {"contract_due",
                 ROWS_WITH(struct due, customer_id, contract_id, stripe_subscription_id),
                 .sql = "SELECT customer_id, contract_id, stripe_subscription_id "
                        "FROM subscriptions s "
                        "WHERE contract_id IS NOT NULL AND ends_at <= $1 "
                        "AND status NOT IN " FINAL " AND (stripe_subscription_id IS NULL "
                        "  OR (ends_at <= $1 - " STRIPE_LATE " AND NOT EXISTS (SELECT FROM "
                        "    stripe_calls c WHERE c.customer_id = s.customer_id AND "
                        "    c.subject = s.stripe_subscription_id "
                        "    AND c.kind = '" STRIPE_CANCEL "'))) "
                        "ORDER BY ends_at LIMIT $2::bigint"},
        [RECORD_END] = {"contract_record_end",
                        .sql = "UPDATE subscriptions SET status = CASE WHEN "
                               "stripe_subscription_id IS NULL THEN 'canceled' "
                               "ELSE status END, ended_at = CASE WHEN "
                               "stripe_subscription_id IS NULL THEN ends_at "
                               "ELSE ended_at END, version = version + 1, updated_at = $2 "
                               "WHERE contract_id = $1 AND status NOT IN " FINAL
                               " AND ends_at <= $2 "
                               "AND stripe_subscription_id IS NOT DISTINCT FROM $3"},
        [UNKNOWN_AT_STRIPE] =
                {"contract_unknown_at_stripe", ROWS_WITH(struct due, customer_id, contract_id),
                 .sql = "SELECT s.customer_id, s.contract_id FROM subscriptions s "
                        "JOIN contracts k USING (contract_id) WHERE s.customer_id = $1 "
                        "AND k.billing = '" CONTRACT_STRIPE "' "
                        "AND s.stripe_subscription_id IS NULL AND s.status NOT IN " FINAL},
        [FORGET] = {"contract_forget",
                    .sql = "WITH reasons AS (UPDATE contracts SET end_reason = NULL "
                           "  WHERE customer_id = $1 AND end_reason IS NOT NULL) "
                           "UPDATE contract_versions v SET note = NULL, reference = NULL "
                           "FROM contracts k WHERE k.contract_id = v.contract_id "
                           "AND k.customer_id = $1 "
                           "AND COALESCE(v.note, v.reference) IS NOT NULL"},
};

const struct statement_list contract_end_statements = STATEMENT_LIST(statements);

enum fail
fail_contract_exists(struct operation *operation)
{
	return task_fail(operation->task, FAIL_CONFLICT, "contract_exists",
	                 "The customer has a contract, which only the vendor changes.");
}

enum fail
contract_must_end(struct operation *operation, const char *customer_id, struct instant *ends_at)
{
	struct ending ending = {false, INSTANT_NONE};
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[ENDING],
	           PARAMETERS(customer_id, param_now(operation)), &ending, &found));
	*ends_at = ending.ends_at;
	return ending.others ? fail_contract_exists(operation) : FAIL_NONE;
}

/* Records one end, unless an amendment has come first. */
static enum fail
record_end(struct operation *operation, const struct due *due, int64_t *ended)
{
	int64_t rows;
	bool deleted;

	TRY(db_begin(operation->db, operation->task));
	TRY(customer_lock(operation, due->customer_id, &deleted));
	TRY(db_run(
	        operation->db, operation->task, &statements[RECORD_END],
	        PARAMETERS(due->contract_id, param_now(operation), due->stripe_subscription_id),
	        &rows));
	if (rows > 0) {
		TRY(license_revoke_excess(operation, due->customer_id));
		TRY(audit_record(operation, "contract_over", due->customer_id, due->contract_id,
		                 NULL));
		if (due->stripe_subscription_id != NULL)
			TRY(stripe_cancel_enqueue(operation, due->customer_id,
			                          due->stripe_subscription_id,
			                          stripe_cancel_parameters(operation)));
	}
	*ended += rows;
	return db_commit(operation->db, operation->task);
}

enum fail
contract_expire_run(struct operation *operation, int64_t *ended)
{
	struct task *task = operation->task;
	const struct due *rows;
	size_t count;

	*ended = 0;
	TRY(db_rows(operation->db, task, &statements[DUE],
	            PARAMETERS(param_now(operation), param_int(task, operation->batch)),
	            (void *)&rows, &count));
	for (size_t i = 0; i < count; i++)
		TRY(record_end(operation, &rows[i], ended));
	return FAIL_NONE;
}

enum fail
contract_bill_ends(struct operation *operation, const char *customer_id)
{
	const struct due *rows;
	size_t count;

	TRY(db_rows(operation->db, operation->task, &statements[UNKNOWN_AT_STRIPE],
	            PARAMETERS(customer_id), (void *)&rows, &count));
	for (size_t i = 0; i < count; i++)
		TRY(stripe_contract_enqueue(operation, customer_id, rows[i].contract_id));
	return FAIL_NONE;
}

enum fail
contract_forget(struct operation *operation, const char *customer_id)
{
	return db_run(operation->db, operation->task, &statements[FORGET],
	              PARAMETERS(customer_id), NULL);
}
